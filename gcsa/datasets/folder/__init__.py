"""Own photos, described by tables."""
