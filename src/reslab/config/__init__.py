"""Frozen descriptions, the zoo, strict YAML, and the run's identity. No torch."""
