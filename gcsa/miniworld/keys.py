"""Image and sequence keys: 22 characters of URL-safe base64, as Mapillary used them."""

import base64

import numpy as np


def draw_key(random: np.random.Generator) -> str:
    """Draw a key of 22 characters; about one in 32 begins with "-" or "_", as real ones do."""
    return base64.urlsafe_b64encode(random.bytes(16)).decode().rstrip("=")
