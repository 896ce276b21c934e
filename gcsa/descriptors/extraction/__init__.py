"""From photos to descriptor files: decoded ahead, described in batches, kept as they come."""
