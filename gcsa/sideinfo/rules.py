"""When two images show one place: the rules that benchmarks call an image relevant by.

A rule is a word, with numbers behind "@" where the usual ones do not fit: ``dist`` (within 25 m),
``dist@10`` (within 10 m), ``pose`` (within 25 m and headed within 45 degrees of each other),
``pose@10,30``, ``fov`` (fields of view overlap by a third). What needs labels, not poses, is of
the rules ``score``, ``geometry`` (label files) and ``cluster``; those judge two images of the
database by their fields of view, or by what they show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gcsa.errors import InputError, given, nearest
from gcsa.scene import ImageSet
from gcsa.sideinfo import fov
from gcsa.sideinfo.fov import FovConfig

KINDS = ("fov", "dist", "pose", "score", "geometry", "cluster")
# MSLS and most benchmarks of place recognition: relevant within 25 m, the limit included.
REACH = 25.0
TURN = 45.0
# GCSA's training labels: relevant from a third of the field of view on.
OVERLAP = 1 / 3


@dataclass(frozen=True)
class Rule:
    """kind: of KINDS. reach: metres, of dist and pose. turn: degrees, of pose."""

    kind: str
    reach: float = REACH
    turn: float = TURN

    @classmethod
    def of(cls, text: str) -> Rule:
        """The rule that a text names; InputError where it names none."""
        kind, at, numbers = text.partition("@")
        if kind not in KINDS:
            raise InputError(f"'{text}' is not a rule of relevance{nearest(kind, KINDS)}")
        fields = {"dist": ("reach",), "pose": ("reach", "turn")}.get(kind, ())
        asked = numbers.split(",") if at else []
        if len(asked) > len(fields):
            form = f"{kind}@{','.join(fields)}" if fields else kind
            raise InputError(f"'{text}': expected {form}")
        values = {n: _positive(text, number) for n, number in zip(fields, asked, strict=False)}
        return cls(kind, **values)

    @property
    def words(self) -> str:
        """As a protocol says it."""
        if self.kind == "dist":
            return f"within {self.reach:g} m"
        if self.kind == "pose":
            return f"within {self.reach:g} m and {self.turn:g} degrees"
        return "fields of view overlap by 1/3" if self.kind == "fov" else self.kind


@dataclass(frozen=True, eq=False)
class Poses:
    """positions: (n, 2) or (n, 3) float64, metres; headings: (n,) float64, radians, or None."""

    positions: np.ndarray
    headings: np.ndarray | None = None

    @classmethod
    def of(cls, images: ImageSet, where: str) -> Poses:
        """What is known of images; InputError, naming ``where`` they are, without positions."""
        if images.positions is None:
            raise InputError(f"{where}: the positions of its images are not known")
        return cls(images.positions, images.headings)


def near(rule: Rule, a: Poses, b: Poses, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Whether image i[k] of a lies within the rule's reach of j[k] of b, horizontally: (m,) bool.

    An unknown position is near nothing.
    """
    offset = a.positions[i, :2] - b.positions[j, :2]
    return np.hypot(offset[:, 0], offset[:, 1]) <= rule.reach


def near_and_turned(rule: Rule, a: Poses, b: Poses, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """As :func:`near`, and headed within ``rule.turn`` of each other: (m,) bool."""
    if a.headings is None or b.headings is None:
        raise InputError("rule 'pose' needs headings of queries and database")
    turn = np.abs((a.headings[i] - b.headings[j] + math.pi) % (2 * math.pi) - math.pi)
    # In degrees, and a hair wider, so that headings of whole degrees keep to the limit.
    return near(rule, a, b, i, j) & (np.degrees(turn) <= rule.turn + 1e-9)


def overlaps(fov_config: FovConfig, a: Poses, b: Poses, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Overlap of the fields of view of image i[k] of a and j[k] of b, on one level: (m,) float64.

    0 where a pose is unknown.
    """
    if a.headings is None or b.headings is None:
        raise InputError("rule 'fov' needs headings of queries and database")
    known = _known(a)[i] & _known(b)[j]
    if a.positions.shape[1] == 3 == b.positions.shape[1]:
        known &= np.abs(a.positions[i, 2] - b.positions[j, 2]) <= fov_config.height
    found = np.zeros(len(i))
    found[known] = fov.overlap_of_pairs(
        a.positions[:, :2],
        a.headings,
        b.positions[:, :2],
        b.headings,
        pairs=(i[known], j[known]),
        **fov_config.kwargs(),
    )
    return found


def poses_relevant(
    rule: Rule, fov_config: FovConfig, queries: Poses, database: Poses, lists: np.ndarray
) -> np.ndarray:
    """Which listed images are relevant to queries of known pose: (Q, N) rows or -1 -> bool."""
    relevant = np.zeros(lists.shape, dtype=bool)
    query, column = np.nonzero(lists >= 0)
    rows = lists[query, column]
    if rule.kind == "dist":
        found = near(rule, queries, database, query, rows)
    elif rule.kind == "pose":
        found = near_and_turned(rule, queries, database, query, rows)
    else:
        found = overlaps(fov_config, queries, database, query, rows) >= OVERLAP
    relevant[query, column] = found
    return relevant


def one_place(
    rule: Rule, fov_config: FovConfig, poses: Poses, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
    """Whether images i[k] and j[k] of one database show one place by the rule: (m,) bool.

    Label files say nothing of such pairs: theirs are judged by fields of view, where known.
    """
    if rule.kind == "dist" or (rule.kind != "pose" and poses.headings is None):
        return near(rule, poses, poses, i, j)
    if rule.kind == "pose":
        return near_and_turned(rule, poses, poses, i, j)
    return overlaps(fov_config, poses, poses, i, j) >= OVERLAP


def reach_of(rule: Rule, fov_config: FovConfig) -> float:
    """Metres within which images of one place by the rule lie, about."""
    return rule.reach if rule.kind in ("dist", "pose") else fov_config.radius / 5


def _known(poses: Poses) -> np.ndarray:
    known = np.isfinite(poses.positions).all(axis=1)
    return known & np.isfinite(given(poses.headings, "headings"))


def _positive(text: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError(f"'{text}': '{number}' is not a positive number")
    return value
