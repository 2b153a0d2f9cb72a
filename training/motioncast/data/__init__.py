"""Reads videos into clips of frames and draws training samples from them."""
