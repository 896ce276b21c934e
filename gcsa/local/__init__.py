"""What two photos show of the same surfaces: local features, matched and verified."""
