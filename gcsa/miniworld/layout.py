"""A city: streets lined with facades from the library, trees, lamps and parked cars."""

from dataclasses import dataclass

import numpy as np

from gcsa.miniworld.atlas import Atlas
from gcsa.miniworld.ground import PAVEMENT_WIDTH, Ground, draw_ground
from gcsa.miniworld.plan import random_of
from gcsa.miniworld.raycast import Walls
from gcsa.miniworld.sprites import lamp_picture, sign_picture, tree_pictures
from gcsa.miniworld.streets import Street, along, arc_length, clearance, network
from gcsa.miniworld.textures import TEXELS, Facade, car_end, car_side, facade_library, fence, hedge

FACADE_TYPES = 60
TREE_KINDS = 4
STYLES = 80  # of stretches of street: the fewer, the more places look alike
STRETCH = 42.0  # metres
CORNER = 9.0  # metres kept free of buildings at crossings
SIDE_DEPTH = 10.0  # metres of a building seen from the side
HEDGE, FENCE, CAR_SIDE, CAR_FRONT, CAR_BACK = (2 * FACADE_TYPES + i for i in range(5))
LAMP, SIGN = TREE_KINDS, TREE_KINDS + 1


@dataclass(frozen=True)
class Library:
    """What all cities of a world are built from."""

    facades: list[Facade]
    atlas: Atlas  # fronts, then sides, then hedge, fence and cars
    pictures: dict[str, list[np.ndarray]]  # per season: trees, then lamp and sign


def draw_library(seed: int) -> Library:
    """Draw the facades, cars and trees of a world."""
    random = random_of(seed, "library")
    facades = facade_library(random, FACADE_TYPES)
    textures = [f.front for f in facades] + [f.side for f in facades]
    textures += [hedge(random), fence(random)]
    textures += [car_side(), car_end((236, 232, 210)), car_end((170, 24, 20))]
    pictures = tree_pictures(random, TREE_KINDS)
    for season in pictures.values():
        season += [lamp_picture(), sign_picture((180, 30, 28))]
    return Library(facades, Atlas(textures, TEXELS), pictures)


@dataclass(frozen=True)
class Sprites:
    """N upright pictures."""

    points: np.ndarray  # (N, 2) metres
    size: np.ndarray  # (N, 2) metres
    kind: np.ndarray  # (N,) int


@dataclass(frozen=True)
class City:
    """Everything that stays in place; x = east and y = north in metres from the centre."""

    streets: list[Street]
    walls: Walls
    sprites: Sprites
    ground: Ground


def build_city(seed: int, city: int, length: float, library: Library) -> City:
    """Build city number `city` of a world, with about `length` metres of streets."""
    random = random_of(seed, "city", city)
    streets = network(random, length)
    styles = _draw_styles(random, STYLES)
    plans = [_stretches(random, s, styles) for s in streets]
    pairs = list(zip(streets, plans, strict=True))
    lots = [lot for s, plan in pairs for lot in _lots(random, s, plan, library.facades)]
    fronts = np.array([lot.front for lot in lots])  # (N, 2 ends, 2)
    probes = np.concatenate([fronts, fronts.mean(1, keepdims=True), _back(fronts)], 1)
    free = clearance(streets, probes.reshape(-1, 2)).reshape(len(lots), -1).min(1)
    lots = [lot for lot, space in zip(lots, free, strict=True) if space > PAVEMENT_WIDTH - 0.3]
    return City(streets, _walls(lots), _furniture(random, pairs), draw_ground(streets))


@dataclass(frozen=True)
class _Lot:
    front: np.ndarray  # (2 ends, 2), left end first as seen from the street
    height: float
    texture: int
    tint: np.ndarray  # (3,)


@dataclass(frozen=True)
class _Style:
    """How a stretch of street looks; the same few styles recur all over the city."""

    types: np.ndarray  # (2,) numbers of building types
    tint: np.ndarray  # (3,) factor on their colours
    setback: float  # metres between pavement and facades
    gaps: float  # share of the front that hedges and fences take
    trees: float  # share of the places along the kerb that are planted
    species: int


def _draw_styles(random: np.random.Generator, count: int) -> list[_Style]:
    return [
        _Style(
            types=random.choice(FACADE_TYPES, 2, replace=False),
            tint=np.clip(random.normal(1, 0.1) + random.normal(0, 0.1, 3), 0.7, 1.25),
            setback=float(random.choice([0.2, 0.6, 2.5], p=[0.5, 0.3, 0.2])),
            gaps=float(random.choice([0.03, 0.25], p=[0.7, 0.3])),
            trees=float(random.choice([0.0, 0.5, 0.9], p=[0.6, 0.25, 0.15])),
            species=int(random.integers(TREE_KINDS)),
        )
        for _ in range(count)
    ]


def _stretches(random, street: Street, styles: list[_Style]) -> list[tuple[float, _Style, _Style]]:
    """Cut a street into (end in metres, style on the left, style on the right)."""
    count = max(round(street.length / STRETCH), 1)
    cuts = (np.arange(1, count) + random.uniform(-0.25, 0.25, count - 1)) / count * street.length
    out = []
    for end in (*cuts, street.length):
        left = styles[random.integers(len(styles))]
        right = left if random.random() < 0.5 else styles[random.integers(len(styles))]
        out.append((float(end), left, right))
    return out


def _style_at(stretches, at: float, side: int) -> _Style:
    _, left, right = next((s for s in stretches if at < s[0]), stretches[-1])
    return left if side > 0 else right


def _lots(random, street: Street, stretches, facades: list[Facade]) -> list[_Lot]:
    """Line both sides with buildings in the style of each stretch, with some gaps."""
    out, run = [], arc_length(street.points)
    for side in (-1, 1):
        at = CORNER
        while at < run[-1] - CORNER - 6:
            style = _style_at(stretches, at, side)
            if random.random() < style.gaps:
                width, height = random.uniform(5, 10), 1.6
                texture, tint = int(random.choice([HEDGE, FENCE])), np.ones(3)
            else:
                texture = int(random.choice(style.types))
                width = facades[texture].width
                height = facades[texture].height * random.uniform(0.97, 1.03)
                tint = np.clip(style.tint * random.normal(1, 0.04), 0.7, 1.2)
            ends = np.array([at, min(at + width, run[-1] - CORNER)])
            if ends[1] - ends[0] > 3:
                back = street.half_width + PAVEMENT_WIDTH + style.setback + random.uniform(0, 0.3)
                front = _beside(street, run, ends, side * back)[::side]
                out.append(_Lot(front, height, texture, tint))
            at += width
    return out


def _beside(street, run, at, shift) -> np.ndarray:
    """Points (N, 2) at arc lengths `at`, moved `shift` metres to the left of the street."""
    tangent = along(street.points, run, at + 1) - along(street.points, run, at - 1)
    tangent = tangent / np.hypot(*tangent.T)[:, None]
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    return along(street.points, run, at) + normal * np.asarray(shift).reshape(-1, 1)


def _back(fronts: np.ndarray) -> np.ndarray:
    """The two rear corners (N, 2, 2) behind fronts (N, 2, 2)."""
    e = fronts[:, 1] - fronts[:, 0]
    inward = np.stack([-e[:, 1], e[:, 0]], 1) / np.hypot(*e.T)[:, None]
    return fronts + SIDE_DEPTH * inward[:, None]


def _walls(lots: list[_Lot]) -> Walls:
    """Fronts of all lots, and both sides of the buildings."""
    fronts = np.array([lot.front for lot in lots])
    texture = np.array([lot.texture for lot in lots])
    houses = texture < FACADE_TYPES
    rear = _back(fronts)
    start = np.concatenate([fronts[:, 0], rear[houses, 0], fronts[houses, 1]])
    end = np.concatenate([fronts[:, 1], fronts[houses, 0], rear[houses, 1]])
    texture = np.concatenate([texture, *[texture[houses] + FACADE_TYPES] * 2])
    source = np.concatenate([np.arange(len(lots)), *[np.flatnonzero(houses)] * 2])
    height = np.array([lot.height for lot in lots])[source]
    tint = np.array([lot.tint for lot in lots])[source]
    return _as_walls(start, end, np.zeros(len(start)), height, texture, tint)


def _as_walls(start, end, base, top, texture, tint) -> Walls:
    start, end, base, top, tint = (np.asarray(a, np.float32) for a in (start, end, base, top, tint))
    return Walls(start, end, base, top, np.asarray(texture, np.int32), tint)


def _furniture(random, pairs) -> Sprites:
    """Trees where the style has them, lamps along all streets, a few signs."""
    points, size, kind = [], [], []

    def add(at, extent, what):
        points.append(at)
        size.append(extent)
        kind.append(what)

    for street, stretches in pairs:
        run, kerb = arc_length(street.points), street.half_width
        for side in (-1, 1):
            for at in np.arange(14, run[-1] - 14, 11.0):
                style, spot = _style_at(stretches, at, side), at + random.uniform(-2, 2)
                place = _beside(street, run, np.array([spot]), side * (kerb + 1.1))[0]
                if random.random() < style.trees:
                    high = random.uniform(5, 8.5)
                    add(place, (high * 0.68, high), style.species)
                elif random.random() < 0.1:
                    add(place, (0.7, 2.6), SIGN)
        for i, at in enumerate(np.arange(16, run[-1] - 12, 28.0)):
            shift = (-1) ** i * (kerb + 0.6)
            add(_beside(street, run, np.array([at]), shift)[0], (1.5, 6.5), LAMP)
    return Sprites(np.array(points), np.array(size), np.array(kind))


def park_cars(random: np.random.Generator, streets: list[Street], share: float) -> Walls:
    """Park cars along the kerbs, filling `share` of the places; four walls each."""
    where, heading = [], []
    for street in streets:
        run = arc_length(street.points)
        for side in (-1, 1):
            at = np.arange(16, run[-1] - 16, 6.2)
            at = at[random.random(len(at)) < share]
            if len(at):
                where.append(_beside(street, run, at, side * max(street.half_width - 1.1, 3.2)))
                ahead = along(street.points, run, at + 1) - along(street.points, run, at - 1)
                heading.append(np.arctan2(*(-side * ahead).T))
    if not where:
        none, flat = np.zeros((0, 2)), np.zeros(0)
        return _as_walls(none, none, flat, flat, [], np.zeros((0, 3)))
    return cars(random, np.concatenate(where), np.concatenate(heading))


def cars(random: np.random.Generator, where: np.ndarray, heading: np.ndarray) -> Walls:
    """Cars centred at `where` (N, 2), pointing along `heading` (N,) radians."""
    ahead = np.stack([np.sin(heading), np.cos(heading)], 1)
    right = np.stack([ahead[:, 1], -ahead[:, 0]], 1)
    signs = ((1, -1), (1, 1), (-1, 1), (-1, -1))
    corners = [where + f * 2.2 * ahead + r * 0.9 * right for f, r in signs]
    front_left, front_right, back_right, back_left = corners
    start = np.concatenate([front_right, back_left, back_right, front_left])
    end = np.concatenate([front_left, back_right, front_right, back_left])
    texture = np.repeat([CAR_FRONT, CAR_BACK, CAR_SIDE, CAR_SIDE], len(where))
    paint = random.choice([0.25, 0.5, 0.8, 1.15], len(where))[:, None]
    tint = np.clip(paint * random.uniform(0.8, 1.1, (len(where), 3)), 0.15, 1.25)
    high = np.tile(random.uniform(1.4, 1.75, len(where)), 4)
    return _as_walls(start, end, np.zeros(len(start)), high, texture, np.tile(tint, (4, 1)))
