"""Reading videos into clips of frames and drawing training samples from them."""
