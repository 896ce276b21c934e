"""Radio: access points and beacons of a building, and what a receiver makes of them."""

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

import numpy as np

from gcsa.miniworld.building.house import House, house_of, partitions
from gcsa.miniworld.building.plan import STOREYS, Size
from gcsa.miniworld.building.sessions import Recording
from gcsa.miniworld.plan import random_of

AREA_OF_AP, AREA_OF_BEACON = 36.0, 90.0  # square metres of a storey for each
EXPONENT = 2.0  # of the path loss
FLOOR_LOSS = 24.0  # dB a storey
WALL_LOSS = {"2.4": 5.0, "5": 7.0, "bt": 5.5}  # dB a wall
POWER = {"2.4": -40.0, "5": -46.0, "bt": -58.0}  # dBm at a metre
MOST_WALLS = 7  # beyond, signals find another way
SHADOW, SHADOW_CELL = 2.5, 3.0  # dB; metres over which it stays the same
NOISE = {"wifi": 3.5, "bt": 4.5}  # dB from scan to scan
FAINTEST = {"wifi": -88.0, "bt": -92.0}  # dBm
MISSED = 0.08  # chance that a scan is lost; that a row of it is, half of that
LATE = 0.12  # chance that a scan is reported seconds after it was made


@dataclass(frozen=True)
class Air:
    """T transmitters: WiFi first, then beacons."""

    ids: list[str]
    names: list[str]
    band: np.ndarray  # (T,) "2.4", "5" or "bt"
    khz: np.ndarray  # (T,) int; -1 for beacons
    point: np.ndarray  # (T, 2) plan coordinates
    level: np.ndarray  # (T,) storey
    power: np.ndarray  # (T,) dBm at a metre
    shadow: np.ndarray  # (T, STOREYS, x, y) dB

    @property
    def is_wifi(self) -> np.ndarray:
        return self.band != "bt"


@lru_cache(maxsize=4)
def air_of(scene: str, size: Size, seed: int) -> Air:
    """Install the transmitters of a scene."""
    house = house_of(scene, size, seed)
    random = random_of(seed, "building", "air", house.number)
    rows = [row for level in range(STOREYS) for row in _access_points(house, level, random)]
    guid = UUID(bytes=random.bytes(16))
    for level in range(STOREYS):
        for i, point in enumerate(_spread(house, AREA_OF_BEACON, random)):
            own = UUID(bytes=random.bytes(16))
            name = f"{own}:0:0" if i % 3 == 0 else f"{guid}:{level + 1}:{100 * level + i}"
            rows.append((name, "", "bt", -1, point, level))
    ids, names, bands, khz, points, levels = zip(*rows, strict=True)
    band, low = np.array(bands), np.ptp(np.array(house.layout.extent), 0)
    power = np.array([POWER[b] for b in band]) + random.normal(0, 2, len(rows))
    cells = np.ceil(low / SHADOW_CELL).astype(int) + 1
    shadow = random.normal(0, SHADOW, (len(rows), STOREYS, *cells))
    parts = np.array(khz), np.array(points), np.array(levels), power, shadow
    return Air(list(ids), list(names), band, *parts)


def _access_points(house: House, level: int, random) -> list[tuple]:
    """Most access points have a radio in each band, with an address of its own."""
    rows = []
    for i, point in enumerate(_spread(house, AREA_OF_AP, random)):
        mac = random.integers(0, 256, 6)
        for k, band in enumerate(("2.4", "5") if i % 5 else ("2.4",)):
            channel = int(random.choice([1, 6, 11] if k == 0 else [36, 40, 44, 48, 100, 149]))
            khz = 1000 * (2407 + 5 * channel if k == 0 else 5000 + 5 * channel)
            address = ":".join(
                f"{(int(b) + 7 * k * (j == 5)) % 256:02x}" for j, b in enumerate(mac)
            )
            rows.append((address, ("eduroam", "guest", "")[i % 3], band, khz, point, level))
    return rows


def _spread(house: House, area: float, random) -> list[np.ndarray]:
    """Points in the spaces of a storey, in proportion to their area."""
    spaces = house.layout.spaces
    low = np.array([s.low for s in spaces])
    extent = np.array([s.high for s in spaces]) - low
    areas = extent.prod(1)
    count = max(round(areas.sum() / area), 3)
    # Along the list of spaces, a step of equal area each time: nowhere two in one corner.
    place = (np.arange(count) + random.uniform(0.2, 0.8, count)) / count
    chosen = np.searchsorted(np.cumsum(areas) / areas.sum(), place)
    return list(low[chosen] + extent[chosen] * random.uniform(0.15, 0.85, (count, 2)))


def expected_rssi(house: House, air: Air, points: np.ndarray, level: int) -> np.ndarray:
    """Mean dBm (n, T) of all transmitters at world points (n, 3) of a storey."""
    plan = house.frame.to_plan(points[:, :2])
    across = np.linalg.norm(plan[:, None] - air.point[None], axis=2)
    up = (points[:, 2] - house.storeys[level].level)[:, None] - 2.4
    up = up + house.layout.shape.storey * (level - air.level)
    distance = np.maximum(np.hypot(across, up), 0.5)
    wall_loss = np.array([WALL_LOSS[b] for b in air.band])
    walls = np.minimum(_walls_between(house, air, plan, level), MOST_WALLS)
    floors = FLOOR_LOSS * np.abs(air.level - level)
    cell = np.floor((plan - house.layout.extent[0]) / SHADOW_CELL).astype(int)
    cell = np.clip(cell, 0, np.array(air.shadow.shape[2:]) - 1)
    shadow = air.shadow[:, level, cell[:, 0], cell[:, 1]].T
    free = air.power - 10 * EXPONENT * np.log10(distance)
    return free - wall_loss * walls - floors + shadow


def _walls_between(house: House, air: Air, plan: np.ndarray, level: int) -> np.ndarray:
    """How many walls stand between each point (n, 2) and each transmitter: (n, T)."""
    start, end = partitions(house, level)
    edge = end - start
    count = np.zeros((len(plan), len(air.ids)))
    to_start = start - plan[:, None]  # (n, S, 2)
    for t, source in enumerate(air.point):
        ray = (source - plan)[:, None]  # (n, 1, 2)
        turn = _cross(ray, edge)  # a wall has two faces: the one that faces the point counts
        with np.errstate(divide="ignore", invalid="ignore"):
            on_ray = _cross(to_start, edge) / turn
            on_wall = _cross(to_start, ray) / turn
        met = (turn < 0) & (on_ray > 0) & (on_ray < 1) & (on_wall >= 0) & (on_wall < 1)
        count[:, t] = met.sum(1)
    return count


def _cross(a, b):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def wifi_rows(house: House, air: Air, recording: Recording, random) -> list[list]:
    """Rows of wifi.txt: a scan every three to four seconds; its rows share one timestamp."""
    last = recording.walk.track_time[-1]
    made = np.cumsum(random.uniform(3.0, 4.0, int(last / 3.0) + 1)) - 3.0
    made = made[(made >= 0) & (made < last) & (random.random(len(made)) >= MISSED)]
    rssi = expected_rssi(house, air, recording.walk.at(made), recording.level)
    rssi = np.round(rssi + random.normal(0, NOISE["wifi"], rssi.shape))
    heard = air.is_wifi & (rssi >= FAINTEST["wifi"]) & (random.random(rssi.shape) > MISSED / 2)
    delay = np.where(random.random(len(made)) < LATE, random.uniform(1.5, 5.0, len(made)), 0.1)
    told, begun = recording.clock(made + delay), recording.clock(made)
    unknown = random.random(rssi.shape) < 0.03
    rows = []
    for i in np.argsort(told, kind="stable"):
        for t in np.flatnonzero(heard[i]):
            khz = -1 if unknown[i, t] else int(air.khz[t])
            span = [-1, -1] if unknown[i, t] else [int(begun[i]), int(begun[i]) + 90_000]
            row = [int(told[i]), f"{recording.name}/wifi_sensor", air.ids[t], khz]
            rows.append([*row, float(rssi[i, t]), air.names[t], *span])
    return rows


def bluetooth_rows(house: House, air: Air, recording: Recording, random) -> list[list]:
    """Rows of bt.txt: each beacon in reach is heard about every second, on its own."""
    last = recording.walk.track_time[-1]
    beacons = np.flatnonzero(~air.is_wifi)
    rssi = expected_rssi(house, air, recording.walk.at(np.arange(0, last)), recording.level)
    rssi = rssi[:, beacons] + random.normal(0, NOISE["bt"], (len(rssi), len(beacons)))
    heard = (rssi >= FAINTEST["bt"]) & (random.random(rssi.shape) < 0.75)
    second, which = np.nonzero(heard)
    told = recording.clock(second + random.uniform(0, 1, len(second)))
    rows = []
    for i in np.argsort(told, kind="stable"):
        strength = float(np.round(rssi[second[i], which[i]]))
        name = air.ids[beacons[which[i]]]
        rows.append([int(told[i]), f"{recording.name}/bt_sensor", name, strength, ""])
    return rows
