"""Miniworld's buildings: a small synthetic world in the Capture format of LaMAR, from one seed.

Storeys with the same corridors, repeated doors and posters, so that distant places look alike; a
map and query sessions of phones and of a HoloLens with four cameras; WiFi and Bluetooth. Reading
order: plan, layout, graph, pictures, textures, schemes, fixtures, house; devices, light, walks,
sessions, things, air; capture, render; build.
"""

from typing import TYPE_CHECKING

from gcsa.faces import face

if TYPE_CHECKING:
    from gcsa.miniworld.building.build import generate

__all__ = ["generate"]

__getattr__ = face(__name__, {"generate": "build"})
