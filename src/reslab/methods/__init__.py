"""From a description to a net with its weights; ways to fit it to other data."""
