"""Metrics of the paper: distances between distributions, latent paths, intervals, tests."""
