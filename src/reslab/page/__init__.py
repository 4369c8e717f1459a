"""Plans as a page for browsers: one file, nothing fetched."""
