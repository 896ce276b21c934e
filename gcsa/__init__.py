"""Re-ranking for visual place recognition and localisation with side information."""

__version__ = "0.1.0"
