"""LaMAR: buildings, with phones and HoloLens."""
