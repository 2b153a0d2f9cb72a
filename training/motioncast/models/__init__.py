"""The networks: keypoint detector, dense motion, generator, discriminator and predictors."""
