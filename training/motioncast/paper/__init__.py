"""What reproduces the paper: its protocols, intervals and tests, figures and pages."""
