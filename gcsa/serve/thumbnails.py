"""Small pictures of the database's images, made when they are first asked for."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import lru_cache

from gcsa.datasets.images import image_path
from gcsa.datasets.settings import DataConfig
from gcsa.imaging import jpeg_base64, read_image
from gcsa.locate.prepared import Prepared

LONGEST, KEPT = 256, 512  # pixels of the longer side; pictures that are kept


class Thumbnails:
    """Of the images of some scenes, by name; no other file is opened."""

    def __init__(self, data: DataConfig, scenes: Mapping[str, Prepared]):
        self._data = data
        self._names = {n: set(map(str, p.scene.database.names)) for n, p in scenes.items()}
        self._made = lru_cache(KEPT)(self._make)

    def jpeg(self, scene: str, name: str) -> bytes | None:
        """A JPEG file; None for an image that is not of the scene, or cannot be read."""
        return self._made(scene, name) if name in self._names[scene] else None

    def _make(self, scene: str, name: str) -> bytes | None:
        image = read_image(image_path(self._data, scene, name), LONGEST)
        return None if image is None else base64.b64decode(jpeg_base64(image))
