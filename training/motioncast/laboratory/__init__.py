"""Studies for whoever works on the networks; may import everything, and nothing imports it."""
