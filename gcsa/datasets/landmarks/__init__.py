"""Landmarks: Oxford, Paris, retrieval-SfM."""
