"""Weights: names that others give them, files that hold them, and what they mean."""
