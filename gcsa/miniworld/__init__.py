"""Miniworld: a small synthetic world in the formats of MSLS and hloc, drawn from one seed.

Streets lined with a limited set of building types, so that distant places look alike, are driven
along by query and database cameras in different seasons and light. Reading order: plan, utm,
keys; atlas, raycast, sprites, textures, streets, ground, layout, light; drives, render,
msls; extractor, features; world, crew, build.
"""

from typing import TYPE_CHECKING

from gcsa.faces import face

if TYPE_CHECKING:
    from gcsa.miniworld.build import generate

__all__ = ["generate"]

__getattr__ = face(__name__, {"generate": "build"})
