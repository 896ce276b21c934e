"""CSA, contextual similarity aggregation: re-ranking from looks alone."""
