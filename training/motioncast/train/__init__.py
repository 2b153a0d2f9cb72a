"""Training of the synthesis networks and of the predictors."""
