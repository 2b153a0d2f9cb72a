"""Everything an evaluation measures, as pure functions: arrays in, numbers and arrays out."""
