"""Reproduction of the paper: its protocols, intervals and tests, figures and pages."""
