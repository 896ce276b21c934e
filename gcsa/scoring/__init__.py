"""What the programs share: a split read and ranked, a checkpoint opened, figures reported."""
