"""Experiments: YAML file → runs → processes. No torch; runs are started as processes."""
