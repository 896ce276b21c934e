"""Ranked lists: retrieved, cut into batches, refined by a model."""
