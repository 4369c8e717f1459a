"""Table, figure and status of an experiment, read from its run folders alone. No torch."""
