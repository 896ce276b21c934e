"""Side information as affinities: the only place where it becomes columns for the model.

A batch holds B queries with N candidates each, as row numbers of one scene's database. Row 0 of
the model is the query, rows 1..K the candidates to re-rank; the anchors are the query and the
first L candidates. A kind named "...-db" knows the database alone: its query row is zeros and
it has L columns. Any other kind knows the query too and has 1 + L columns. Affinities lie in
[-1, 1]; 0 stands for unknown: a missing heading, a padded candidate. A new kind is one function
and one line in AFFINITIES.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from gcsa.errors import InputError, given, nearest
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo import common, fov, heading, radio
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.pairs import on_one_level, sparse_block
from gcsa.sideinfo.whereabouts import share_in_field

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Lists:
    """The candidate lists of a batch, and the part of their affinities that the model reads.

    queries: (B,) rows of the scene's queries. candidates: (B, N) rows of its database, -1 where
    padded. K: candidates to re-rank. L: anchors. random: what training drops at random is drawn
    from here; None outside of training. radio_dropout: the share of the heard radio entries that
    training drops.
    """

    queries: np.ndarray
    candidates: np.ndarray
    K: int
    L: int
    random: np.random.Generator | None = None
    radio_dropout: float = 0.0

    @property
    def rows(self) -> np.ndarray:
        """(B, K) candidates to re-rank."""
        return self.candidates[:, : self.K]

    @property
    def anchors(self) -> np.ndarray:
        """(B, L) candidates that serve as anchors."""
        return self.candidates[:, : self.L]


# A list costs as much to compute as so many pairs to intersect, each read a few times.
PAIRS = 10_000

# The lists of a batch -> (B, K, L), or with the query (B, 1+K, 1+L); see the module's text.
Columns = Callable[[Lists], np.ndarray]


def positional_db(scene: Scene, config: FovConfig) -> Columns | None:
    """Overlap of the fields of view of database cameras.

    As a rule each pair of cameras is intersected once for the scene, and looked up for each query
    and epoch; where few queries stand before many pairs each list is computed by itself.
    """
    database = scene.database
    if database.positions is None or database.headings is None:
        return None
    known = np.isfinite(database.positions).all(1) & np.isfinite(database.headings)
    if _pairs_within(database.positions[known, :2], 2 * config.radius) > PAIRS * len(scene.queries):
        return _overlap_of_lists(database.positions, database.headings, known, config)
    overlaps = fov.overlap_sparse(
        database.positions[:, :2], database.headings, mask=known, **config.kwargs()
    )
    if database.positions.shape[1] == 3:
        overlaps = on_one_level(overlaps, database.positions[:, 2], config.height)

    def columns(lists: Lists) -> np.ndarray:
        pairs = zip(lists.rows, lists.anchors, strict=True)
        # The matrix is symmetric, and there are fewer anchors to walk than rows as a rule.
        return np.stack([sparse_block(overlaps, anchors, rows).T for rows, anchors in pairs])

    return columns


def position_with_query(scene: Scene, config: FovConfig) -> Columns | None:
    """Of the query, the probability that it is in what a candidate sees, by its device's position;
    of two candidates, the overlap of their fields of view, as positional-db.
    """
    queries, database, reading = scene.queries, scene.database, scene.queries.positions
    if reading is None or database.positions is None or database.headings is None:
        return None
    between = given(positional_db(scene, config), f"{scene.name}: poses of the database")
    places, facing = _with_padding(database.positions[:, :2]), _with_padding(database.headings)
    accuracy = np.full(len(queries), np.nan) if queries.accuracy is None else queries.accuracy

    def columns(lists: Lists) -> np.ndarray:
        rows = lists.candidates[:, : max(lists.K, lists.L)]
        own = _known(
            share_in_field(
                reading[lists.queries, :2],
                accuracy[lists.queries],
                places[rows],
                facing[rows],
                config.radius,
                np.deg2rad(config.angle),
            )
        )
        block = np.empty((len(rows), 1 + lists.K, 1 + lists.L), dtype=np.float32)
        block[:, 0, 0] = np.isfinite(reading[lists.queries]).all(1)
        block[:, 0, 1:], block[:, 1:, 0] = own[:, : lists.L], own[:, : lists.K]
        block[:, 1:, 1:] = between(lists)
        return block

    return columns


def _pairs_within(positions: np.ndarray, reach: float) -> int:
    """Ordered pairs of positions (n, 2) at most ``reach`` apart."""
    tree = cKDTree(positions)
    return int(tree.count_neighbors(tree, reach)) if len(positions) else 0


def _overlap_of_lists(
    positions: np.ndarray, headings: np.ndarray, known: np.ndarray, config: FovConfig
) -> Columns:
    heights = _with_padding(positions[:, 2]) if positions.shape[1] == 3 else None

    def columns(lists: Lists) -> np.ndarray:
        block = fov.overlap_block(
            positions[:, :2],
            headings,
            lists.candidates,
            lists.K,
            lists.L,
            mask=known,
            **config.kwargs(),
        )
        if heights is not None:
            rise = heights[lists.rows][:, :, None] - heights[lists.anchors][:, None]
            block[np.abs(rise) > config.height] = 0
        return block

    return columns


def heading_db(scene: Scene, config: FovConfig) -> Columns | None:
    """Affinity of the headings of database images."""
    if scene.database.headings is None:
        return None
    database = _with_padding(heading.wrapped(scene.database.headings))

    def columns(lists: Lists) -> np.ndarray:
        rows, anchors = database[lists.rows], database[lists.anchors]
        return _known(heading.affinity_of_wrapped(rows[:, :, None], anchors[:, None]))

    return columns


def heading_with_query(scene: Scene, config: FovConfig) -> Columns | None:
    """Affinity of the headings of query and database images."""
    if scene.database.headings is None or scene.queries.headings is None:
        return None
    database = _with_padding(heading.wrapped(scene.database.headings))
    query = heading.wrapped(scene.queries.headings)

    def columns(lists: Lists) -> np.ndarray:
        own = query[lists.queries][:, None]
        rows = np.concatenate([own, database[lists.rows]], axis=1)
        anchors = np.concatenate([own, database[lists.anchors]], axis=1)
        return _known(heading.affinity_of_wrapped(rows[:, :, None], anchors[:, None]))

    return columns


def radio_db(scene: Scene, config: FovConfig) -> Columns | None:
    """Affinity of what database images heard."""
    heard = scene.database.radio

    def columns(lists: Lists) -> np.ndarray:
        return _radio_block(heard, lists.rows, lists.anchors, lists)

    return None if heard is None else columns


def radio_with_query(scene: Scene, config: FovConfig) -> Columns | None:
    """Affinity of what query and database images heard."""
    if scene.database.radio is None or scene.queries.radio is None:
        return None
    heard, count = radio.stack([scene.queries.radio, scene.database.radio]), len(scene.queries)

    def columns(lists: Lists) -> np.ndarray:
        def with_query(candidates: np.ndarray) -> np.ndarray:
            shifted = np.where(candidates >= 0, candidates + count, -1)
            return np.concatenate([lists.queries[:, None], shifted], axis=1)

        return _radio_block(heard, with_query(lists.rows), with_query(lists.anchors), lists)

    silent = heard.unknown == "zero" and not heard.has_any.any()
    return None if silent else columns


AFFINITIES: dict[str, Callable[[Scene, FovConfig], Columns | None]] = {
    "positional-db": positional_db,
    "position": position_with_query,
    "heading": heading_with_query,
    "heading-db": heading_db,
    "radio": radio_with_query,
    "radio-db": radio_db,
    "geometric": common.geometric,
}


def width(kind: str, L: int) -> int:
    """How many columns a kind has."""
    return L if kind.endswith("-db") else 1 + L


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise InputError at a kind that is not in AFFINITIES, or is listed twice."""
    for kind in kinds:
        if kind not in AFFINITIES:
            raise InputError(f"model.affinity: no kind '{kind}'{nearest(kind, AFFINITIES)}")
    if len(set(kinds)) < len(kinds):
        raise InputError(f"model.affinity: a kind is listed twice in {list(kinds)}")


class SideInformation:
    """The affinity columns of one scene, kinds in the order of the config.

    A kind whose data the scene lacks altogether (headings, say) is said once, and is zeros.
    unknown_radio: what an image is that heard nothing, "zero" or "published":
    :mod:`gcsa.sideinfo.radio`.
    """

    def __init__(
        self,
        scene: Scene,
        kinds: Sequence[str],
        config: FovConfig,
        unknown_radio: str = "zero",
    ):
        check_kinds(kinds)
        self.about = list(kinds), config, unknown_radio
        if unknown_radio != "zero":
            database, queries = (
                _heard_as(p, unknown_radio) for p in (scene.database, scene.queries)
            )
            scene = replace(scene, database=database, queries=queries)
        self._kinds = [(kind, AFFINITIES[kind](scene, config)) for kind in kinds]
        for kind, columns in self._kinds:
            if columns is None:
                logger.warning("%s: no data for affinity '%s', it stays 0", scene.name, kind)

    def columns(self, lists: Lists) -> np.ndarray:
        """The columns of all kinds, side by side: (B, 1+K, sum of widths) float32."""
        widths = [width(kind, lists.L) for kind, _ in self._kinds]
        result = np.zeros((len(lists.queries), 1 + lists.K, sum(widths)), dtype=np.float32)
        start = 0
        for (kind, columns), wide in zip(self._kinds, widths, strict=True):
            if columns is not None:
                first_row = 1 if kind.endswith("-db") else 0
                result[:, first_row:, start : start + wide] = columns(lists)
            start += wide
        return result


def _heard_as(images: ImageSet, unknown: str) -> ImageSet:
    """Images of which those without radio are read as ``unknown`` says."""
    heard = images.radio
    return images if heard is None else replace(images, radio=replace(heard, unknown=unknown))


def _with_padding(values: np.ndarray) -> np.ndarray:
    """Append a row of NaN, so that index -1 (padding) reads as unknown."""
    return np.append(values, np.full_like(values[:1], np.nan), axis=0)


def _known(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, copy=False, nan=0.0)


def _radio_block(
    heard: radio.Radio, rows: np.ndarray, anchors: np.ndarray, lists: Lists
) -> np.ndarray:
    """Radio affinities (B, R, A) of rows of ``heard``; in training some entries are dropped.

    What is dropped of an image is so in all lists of the batch, by image and step.
    """
    if lists.random is not None and lists.radio_dropout > 0:
        used = np.unique(np.concatenate([rows, anchors], axis=None))
        used = used[used >= 0]
        heard = radio.dropout(heard[used], lists.radio_dropout, lists.random)
        rows, anchors = (np.where(r >= 0, np.searchsorted(used, r), -1) for r in (rows, anchors))
    return radio.affinity_block(heard, rows, anchors, heard.unknown)
