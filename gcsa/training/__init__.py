"""From lists to weights: a run, its trainer, its logs."""
