"""Figures of merit of the paper: distances of distributions, latent paths, intervals, tests."""
