"""The program for the challenge of Mapillary Street-level Sequences."""
