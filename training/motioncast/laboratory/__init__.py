"""Studies for developers of the networks; may import everything, and nothing imports it."""
