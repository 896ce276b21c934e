"""Doors to the programs for own photos."""
