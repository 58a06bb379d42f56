"""What Generate and Score mean: the pair of models, and the work on it."""
