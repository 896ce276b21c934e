"""Looks, as numbers: descriptor files, packed arrays, their axes."""
