"""Drives through a city: routes, camera poses and circumstances of each image sequence."""

from dataclasses import dataclass

import numpy as np

from gcsa.miniworld.keys import draw_key
from gcsa.miniworld.light import Condition
from gcsa.miniworld.plan import random_of
from gcsa.miniworld.streets import Street, along, arc_length

VIEWS = ("Forward", "Sideways", "Backward")


@dataclass(frozen=True)
class Habits:
    """How drives of one role are made."""

    frames: tuple[int, int]  # fewest and most frames of a drive
    spacing: tuple[float, float]  # metres between frames
    views: tuple[float, float, float]  # shares of VIEWS
    with_flow: float  # share of drives that follow a street's main direction
    night: float
    old: float  # share of drives of the years 2012 to 2015
    panorama: float = 0.02
    dashboard: float = 0.05


HABITS = {
    "database": Habits((10, 22), (5.0, 7.0), (0.92, 0.05, 0.03), 0.96, 0.05, 0.5),
    "query": Habits((5, 10), (8.0, 16.0), (0.92, 0.05, 0.03), 0.96, 0.08, 0.4),
}


@dataclass(frozen=True)
class Drive:
    """One image sequence of F frames; positions in metres from the city's centre."""

    number: int
    key: str
    keys: list[str]  # (F,)
    position: np.ndarray  # (F, 2) true
    heading: np.ndarray  # (F,) true viewing direction, radians clockwise from north
    view: str  # one of VIEWS
    panorama: bool
    dashboard: bool
    condition: Condition

    def __len__(self) -> int:
        return len(self.keys)


def plan_drives(
    seed: int, city: int, role: str, streets: list[Street], count: int, latitude: float
) -> list[Drive]:
    """Plan drives of `role` until they have `count` images; the last one is cut to fit.

    `latitude` in degrees decides when winter is and whether snow falls.
    """
    allowed = [i for i, s in enumerate(streets) if s.covered or role == "query"]
    visits = np.zeros(len(streets))
    flow = random_of(seed, "flow", city).random(len(streets)) < 0.5
    drives: list[Drive] = []
    left = count
    while left > 0:
        random = random_of(seed, "drive", city, role, len(drives))
        roads = streets, allowed, visits, flow
        drive = _drive(random, len(drives), HABITS[role], roads, latitude)
        drives.append(_cut(drive, left))
        left -= len(drives[-1])
    return drives


def _cut(drive: Drive, count: int) -> Drive:
    parts = {name: vars(drive)[name][:count] for name in ("keys", "position", "heading")}
    return Drive(**{**vars(drive), **parts})


def _drive(random, number, habits, roads, latitude) -> Drive:
    frames = int(random.integers(habits.frames[0], habits.frames[1] + 1))
    gaps = random.uniform(*habits.spacing) * random.uniform(0.85, 1.15, frames)
    length = gaps[:-1].sum() + 12
    streets, allowed, visits, flow = roads
    path = _route(random, habits, streets, allowed, visits, flow, length)
    position, course = _follow(random, path, gaps)
    view = str(random.choice(VIEWS, p=habits.views))
    turn = {"Forward": 0.0, "Backward": np.pi, "Sideways": random.choice([-1, 1]) * np.pi / 2}[view]
    aim = random.normal(0, np.radians(2 if view == "Forward" else 8))
    jitter = random.normal(0, np.radians(1.5), len(position))
    return Drive(
        number=number,
        key=draw_key(random),
        keys=[draw_key(random) for _ in position],
        position=position,
        heading=(course + turn + aim + jitter) % (2 * np.pi),
        view=view,
        panorama=bool(random.random() < habits.panorama),
        dashboard=bool(random.random() < habits.dashboard),
        condition=draw_condition(random, habits, latitude),
    )


def _route(random, habits, streets, allowed, visits, flow, length) -> np.ndarray:
    """Polyline (P, 2) through the less visited streets, at least `length` metres if possible."""
    lengths = np.array([s.length for s in streets])
    need = visits[allowed] + random.uniform(0, 0.6, len(allowed))
    first = allowed[int(np.argmin(need))]
    with_flow = random.random() < habits.with_flow
    ahead = bool(flow[first] == with_flow)
    path, node = _piece(streets[first], ahead)
    used, total = [first], lengths[first]
    start = random.uniform(0, 0.5) * lengths[first]
    while total - start < length:
        exits = [i for i in allowed if node in streets[i].ends and i not in used]
        exits = [i for i in exits if (streets[i].ends[0] == node) == (flow[i] == with_flow)]
        if not exits:
            break
        cost = visits[exits] + random.uniform(0, 0.4, len(exits))
        chosen = exits[int(np.argmin(cost))]
        piece, node = _piece(streets[chosen], streets[chosen].ends[0] == node)
        path = np.concatenate([path[:-4], piece[4:]])  # cuts the corner
        used.append(chosen)
        total += lengths[chosen]
    for i in used:
        visits[i] += min(1.0, length / max(lengths[used].sum(), 1))
    run = arc_length(path)
    start = min(start, max(run[-1] - length, 0))
    return path[(run >= start)]


def _piece(street: Street, ahead: bool):
    points = street.points if ahead else street.points[::-1]
    return points, street.ends[1] if ahead else street.ends[0]


def _follow(random, path, gaps):
    """Positions (F, 2) in the right-hand lane and courses (F,), as far as the path goes."""
    run = arc_length(path)
    at = 4 + np.concatenate([[0], np.cumsum(gaps[:-1])])
    at = at[at < run[-1] - 4]
    if len(at) < 2:
        at = np.linspace(0.3, 0.7, 2) * run[-1]
    chord = along(path, run, at + 4) - along(path, run, at - 4)  # smooths the corners
    course = np.arctan2(chord[:, 0], chord[:, 1])
    right = np.stack([np.cos(course), -np.sin(course)], 1)
    lane = random.uniform(0.8, 1.4) + 0.2 * np.sin(at / 25 + random.uniform(0, 6))
    return along(path, run, at) + lane[:, None] * right, course


def draw_condition(random: np.random.Generator, habits: Habits, latitude: float) -> Condition:
    """Draw date, season, weather and light of a drive; snow falls beyond 40 degrees of latitude."""
    years = (2012, 2016) if random.random() < habits.old else (2016, 2020)
    year, month, day = (int(random.integers(*span)) for span in (years, (1, 13), (1, 29)))
    northern = month if latitude >= 0 else (month + 5) % 12 + 1  # the month of the same season
    season = "winter" if northern in (12, 1, 2, 3) else "autumn" if northern > 9 else "summer"
    cold = abs(latitude) > 40
    night = bool(random.random() < habits.night)
    return Condition(
        date=f"{year}-{month:02d}-{day:02d}",
        season=season,
        snow=bool(season == "winter" and cold and random.random() < 0.4),
        night=night,
        clear=bool(random.random() < 0.5),
        sun=float(random.uniform(0.5, 1.5) * np.pi),
        haze=float(np.exp(random.uniform(np.log(120), np.log(500)))),
        exposure=float((1.25 if night else 1.0) * np.exp(random.normal(0, 0.16))),
        balance=tuple(np.exp(random.normal(0, 0.05, 3)).tolist()),
        grain=float(random.uniform(5, 11) if night else random.uniform(1.5, 5)),
        phase=int(random.integers(256)),
    )
