"""Networks that re-rank, and their checkpoints."""
