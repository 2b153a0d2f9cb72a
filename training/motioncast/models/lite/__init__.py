"""The lite networks: the paper's motion transfer made for CPUs."""
