"""Training of the synthesis networks and the predictors."""
