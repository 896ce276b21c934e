"""Doors to the programs for LaMAR."""
