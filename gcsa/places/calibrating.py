"""A scene calibrates itself: its database's own images are queries whose place is known."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.sparse import csr_array

from gcsa.errors import InputError
from gcsa.places.calibration import Calibration, adapted, rounded
from gcsa.places.fitting import fit, overlap_relevance
from gcsa.places.kernels import near
from gcsa.places.locator import overlaps_of
from gcsa.places.samples import Between, Database, Sample, contrast, own_queries, sample
from gcsa.ranking.lists import Ranking
from gcsa.scene import Common, ImageSet, Scene
from gcsa.sideinfo import radio
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import OVERLAP, Poses, Rule, one_place, reach_of

# Fewer images than this, of known position, tell less than the defaults do.
LEAST = 30
CANDIDATES = 255
MARKED = 1024
# Queries and candidates of each whose local features are matched: a few seconds to half a minute.
VERIFIED = (80, 15)
WAY = 1  # of fitting: raised when it finds other numbers, so that kept files are made anew
# Overlaps at which relevance is tabulated.
KNOTS = np.array(Calibration().overlap[0])


def calibrated(
    scene: Scene, rule: Rule, fov_config: FovConfig, candidates: int = CANDIDATES
) -> Calibration:
    """The calibration of a scene from its database alone, for lists of so many ``candidates``.

    In the digits of its file: who made it and who reads it find the same. The defaults where fewer
    than LEAST images have positions; those for descriptors of that contrast where no place was
    photographed on two occasions.
    """
    database = scene.database
    known = 0
    if database.positions is not None:
        known = int(np.isfinite(database.positions).all(1).sum())
    if known < LEAST or database.descriptors is None:
        return rounded(Calibration())
    found = own_sample(scene, rule, fov_config, min(candidates, known - 1))
    if not found.relevant.any():
        return rounded(adapted(Calibration(), contrast([found])))
    mark = mark_of(scene, rule, fov_config, candidates)
    sessions = database_of(scene, rule, fov_config).sessions
    result = fit([found], "database", reach_of(rule, fov_config), sessions, descriptors=mark)
    return rounded(_with_overlaps(result, [scene], [found], rule, fov_config))


def mark_of(scene: Scene, rule: Rule, fov_config: FovConfig, candidates: int) -> str:
    """What tells whether a calibration is of this database and rule: of some descriptors, all
    poses.

    Descriptors of MARKED images, spread evenly: all of a large database take minutes to read.
    """
    database, said = (
        scene.database,
        hashlib.sha256(repr((WAY, rule, fov_config, candidates)).encode()),
    )
    rows = np.unique(np.linspace(0, len(database) - 1, min(len(database), MARKED)).astype(int))
    for values in (database.positions, database.headings, database.sequences):
        if values is not None:
            said.update(np.ascontiguousarray(values).tobytes())
    if scene.local is not None:
        said.update(scene.local.about.encode())
    if database.descriptors is not None:
        said.update(np.ascontiguousarray(database.descriptors[rows]).tobytes())
    said.update("\n".join(database.names).encode())
    return said.hexdigest()[:16]


def calibrated_on(
    scenes: list[Scene],
    samples: list[Sample],
    rule: Rule,
    fov_config: FovConfig,
    descriptors: str = "",
) -> Calibration:
    """The calibration from queries of labelled scenes, in the digits of its file."""
    if not any(s.relevant.any() for s in samples):
        raise InputError("no query of the scenes has a relevant candidate to calibrate by")
    result = fit(samples, "scenes", reach_of(rule, fov_config), descriptors=descriptors)
    return rounded(_with_overlaps(result, scenes, samples, rule, fov_config))


def _with_overlaps(
    calibration: Calibration,
    scenes: list[Scene],
    samples: list[Sample],
    rule: Rule,
    fov_config: FovConfig,
) -> Calibration:
    """With how likely relevance is over the overlap of fields, where the rule is about these."""
    posed = all(s.database.headings is not None for s in scenes)
    if rule.kind in ("dist", "pose") or not posed:
        return calibration
    overlaps = [overlaps_of(scene, fov_config) for scene in scenes]
    curve = overlap_relevance(samples, calibration, overlaps, KNOTS)
    return replace(calibration, overlap=(tuple(map(float, KNOTS)), tuple(map(float, curve))))


def own_sample(scene: Scene, rule: Rule, fov_config: FovConfig, candidates: int) -> Sample:
    """The database's own images as queries, what was taken together with them left out.

    Of a database of one session only the image itself is: else nothing would be left.
    """
    database = database_of(scene, rule, fov_config)
    if database.sessions == 1:
        database = replace(database, groups=None)
    poses = Poses.of(scene.database, scene.name)

    def relevant(query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        i = np.repeat(query, rows.shape[1])
        return one_place(rule, fov_config, poses, i, rows.ravel()).reshape(rows.shape)

    measured: dict[str, Between] = {}
    if scene.database.radio is not None:
        measured["radio"] = partial(radio.affinity_of_lists, scene.database.radio)
    if scene.local is not None:
        measured["inliers"] = partial(_inliers, scene.local, scene.database, scene.database)
    return own_queries(
        database,
        scene.database.descriptors,
        relevant,
        candidates,
        measured=measured,
    )


def _inliers(
    local: Common, images: ImageSet, database: ImageSet, query: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Inliers (q, N) of some of the queries with the first of their candidates, NaN elsewhere."""
    found, (queries, first) = np.full(rows.shape, np.nan), VERIFIED
    some = np.unique(np.linspace(0, len(query) - 1, min(len(query), queries)).astype(np.int64))
    i, j = np.nonzero(rows[some, :first] >= 0)
    names = images.names[query[some[i]]], database.names[rows[some[i], j]]
    found[some[i], j] = local.inliers(*names)
    return found


def labelled_sample(
    scene: Scene,
    candidates: Ranking,
    relevant: np.ndarray,
    positions: np.ndarray,
    rule: Rule,
    fov_config: FovConfig,
) -> Sample:
    """Queries of a scene whose ``positions`` (Q, 2+) and relevant candidates (Q, N) are known."""
    database = database_of(scene, rule, fov_config)
    measured: dict[str, np.ndarray] = {}
    if scene.database.radio is not None and scene.queries.radio is not None:
        heard = radio.stack([scene.queries.radio, scene.database.radio])
        count = len(scene.queries)
        rows = np.where(candidates.indices >= 0, candidates.indices + count, -1)
        measured["radio"] = radio.affinity_of_lists(heard, np.arange(count), rows)
    if scene.local is not None:
        each = np.arange(len(scene.queries))
        sets = scene.queries, scene.database
        measured["inliers"] = _inliers(scene.local, *sets, each, candidates.indices)
    return sample(
        database,
        candidates.indices,
        np.where(candidates.valid, candidates.scores, 0.0).astype(np.float64),
        relevant,
        positions[:, :2],
        scene.queries.headings,
        measured=measured,
    )


def database_of(scene: Scene, rule: Rule, fov_config: FovConfig) -> Database:
    """The poses of a scene's database, and what was taken together."""
    database = scene.database
    if database.positions is None:
        raise InputError(f"{scene.name}: a calibration needs the positions of the database")
    groups = database.sequences
    if groups is not None:
        # Images of no sequence are each a group of their own.
        groups = np.where(groups >= 0, groups, groups.max(initial=0) + 1 + np.arange(len(groups)))
        # Of one session alone what was taken within minutes is left out, not everything.
        if database.times is not None and (groups == groups[0]).all():
            groups = None
    near_by = _places(scene, rule, fov_config)
    return Database(database.positions[:, :2], near_by, database.headings, groups, database.times)


def _places(scene: Scene, rule: Rule, fov_config: FovConfig) -> csr_array:
    """Which images show the place of each, (n, n), 1 or 0."""
    poses = Poses.of(scene.database, scene.name)
    positions = poses.positions[:, :2]
    if rule.kind not in ("dist", "pose") and scene.database.headings is not None:
        found = overlaps_of(scene, fov_config)
        kept = found.tocoo()
        same = kept.data >= OVERLAP
        i, j = kept.row[same], kept.col[same]
    else:
        pairs = near(positions, Calibration().spread, rule.reach).tocoo()
        same = one_place(rule, fov_config, poses, pairs.row, pairs.col) | (pairs.row == pairs.col)
        i, j = pairs.row[same], pairs.col[same]
    shape = len(positions), len(positions)
    found = csr_array((np.ones(len(i)), (i, j)), shape=shape)
    found.sum_duplicates()
    return found
