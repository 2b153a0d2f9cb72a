"""The lite networks: the paper's motion transfer redesigned for CPUs."""
