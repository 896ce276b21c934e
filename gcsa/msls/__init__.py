"""Mapillary Street-level Sequences: its reader and its challenge file."""
