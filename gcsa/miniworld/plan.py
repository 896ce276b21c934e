"""What a miniworld consists of: cities, sizes, and how one seed reaches every part."""

from dataclasses import dataclass

import numpy as np

VERSION = 1

# name: (longitude, latitude) of the centre in degrees. The names are those of MSLS, in its order,
# so that the official split by name applies to a miniworld as it stands.
CENTRES = {
    "trondheim": (10.40, 63.43),
    "london": (-0.13, 51.51),
    "boston": (-71.06, 42.36),
    "melbourne": (144.96, -37.81),
    "amsterdam": (4.90, 52.37),
    "helsinki": (24.94, 60.17),
    "tokyo": (139.70, 35.68),
    "toronto": (-79.38, 43.65),
    "saopaulo": (-46.63, -23.55),
    "moscow": (37.62, 55.75),
    "zurich": (8.54, 47.37),
    "paris": (2.35, 48.86),
    "bangkok": (100.52, 13.75),
    "budapest": (19.05, 47.50),
    "austin": (-97.74, 30.27),
    "berlin": (13.40, 52.52),
    "ottawa": (-75.70, 45.42),
    "phoenix": (-112.07, 33.45),
    "goa": (73.83, 15.49),
    "amman": (35.93, 31.95),
    "nairobi": (36.82, -1.29),
    "manila": (120.98, 14.60),
    "cph": (12.57, 55.68),
    "sf": (-122.42, 37.77),
    "miami": (-80.20, 25.77),
    "athens": (23.73, 37.98),
    "buenosaires": (-58.40, -34.60),
    "stockholm": (18.07, 59.33),
    "bengaluru": (77.59, 12.97),
    "kampala": (32.58, 0.32),
}
NAMES = tuple(CENTRES)


@dataclass(frozen=True)
class Size:
    """One size of world: cities of each split, images of each city and role, descriptor."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    num_database: int
    num_query: int
    dim: int
    vocabulary: int = 64
    width: int = 160
    height: int = 120

    @property
    def cities(self) -> tuple[str, ...]:
        return self.train + self.val + self.test


SIZES = {
    "tiny": Size(("trondheim", "amsterdam"), ("cph",), ("miami",), 100, 40, 256, 32),
    "small": Size(
        ("trondheim", "amsterdam", "helsinki", "zurich", "manila", "boston"),
        ("cph", "sf"),
        ("miami", "athens"),
        560,
        240,
        512,
    ),
    "large": Size(NAMES[:22], NAMES[22:24], NAMES[24:], 2100, 700, 512),
}


def random_of(seed: int, *path: int | str) -> np.random.Generator:
    """Return the generator of one part of the world, independent of all other parts.

    `path` names the part (for example city, role, drive). Because the stream depends on the name
    and not on the order of calls, the work may be shared out to any number of processes.
    """
    key = [n for part in path for n in ([part] if isinstance(part, int) else part.encode())]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(key)))
