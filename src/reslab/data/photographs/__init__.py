"""Photographs in folders: found, decoded, cropped, by worker processes or from a prepared store."""
