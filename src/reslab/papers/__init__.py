"""Published numbers, protocols, and where they come from: one data file per paper. No torch."""
