"""One city of a world with its drives: what every process builds again from seed and name."""

from dataclasses import dataclass
from functools import lru_cache

from gcsa.miniworld.drives import HABITS, Drive, plan_drives
from gcsa.miniworld.layout import City, Library, build_city, draw_library
from gcsa.miniworld.plan import CENTRES, NAMES, Size

ROLES = ("query", "database")
PASSES = 1.1  # mean number of database drives over each metre of street


@dataclass(frozen=True)
class Scene:
    """A city, its drives by role, and the library that it is built from."""

    name: str
    number: int
    library: Library
    city: City
    drives: dict[str, list[Drive]]


def street_length(size: Size) -> float:
    """Metres of street in a city, such that the database covers each PASSES times."""
    low, high = HABITS["database"].spacing
    return size.num_database * (low + high) / 2 / PASSES


@lru_cache(maxsize=2)
def library_of(seed: int) -> Library:
    """Return the building types of a world."""
    return draw_library(seed)


@lru_cache(maxsize=2)
def scene_of(name: str, size: Size, seed: int) -> Scene:
    """Build one city and plan its drives."""
    number, library = NAMES.index(name), library_of(seed)
    city = build_city(seed, number, street_length(size), library)
    latitude = CENTRES[name][1]
    counts = {"query": size.num_query, "database": size.num_database}
    drives = {r: plan_drives(seed, number, r, city.streets, counts[r], latitude) for r in ROLES}
    return Scene(name, number, library, city, drives)
