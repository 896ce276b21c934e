"""What the posterior needs to know of a data set, from arrays."""

from __future__ import annotations

from numpy.typing import ArrayLike

from gcsa.errors import InputError
from gcsa.front.arrays import floats, images, scene_of
from gcsa.places.calibrating import calibrated, calibrated_on, labelled_sample
from gcsa.places.calibration import Calibration
from gcsa.ranking.retrieval import retrieve
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.radio import Radio
from gcsa.sideinfo.rules import Poses, Rule, poses_relevant

CANDIDATES = 255


def fit(
    database_descriptors: ArrayLike,
    positions: ArrayLike,
    *,
    headings: ArrayLike | None = None,
    radio: ArrayLike | Radio | None = None,
    groups: ArrayLike | None = None,
    query_descriptors: ArrayLike | None = None,
    true_positions: ArrayLike | None = None,
    true_headings: ArrayLike | None = None,
    query_headings: ArrayLike | None = None,
    query_radio: ArrayLike | Radio | None = None,
    rule: str = "dist",
    candidates: int = CANDIDATES,
) -> Calibration:
    """The few numbers of ``gcsa.rank(..., method="posterior")``, by maximum likelihood.

    From the database alone: its own images are queries, and what was taken together (``groups``)
    is left out. Or from queries whose ``true_positions`` (Q, 2), and by some rules
    ``true_headings`` (Q,), are known. Other arguments as in :func:`rank`. Where too little is known
    the defaults stay. ``print(words(calibration))`` of gcsa.places.calibration says what was found.

    >>> import gcsa, numpy as np
    >>> random = np.random.default_rng(0)
    >>> rows = random.normal(size=(40, 8))
    >>> rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    >>> gcsa.fit(rows, random.uniform(0, 100, (40, 2))).source
    'database'
    """
    by, fov = Rule.of(rule), FovConfig()
    database = images("database", database_descriptors, positions, headings, radio, groups=groups)
    if query_descriptors is None:
        return calibrated(scene_of(database, database, None), by, fov, candidates)
    if true_positions is None:
        raise InputError("true_positions: expected where the queries of query_descriptors are")
    queries = images("query", query_descriptors, None, query_headings, query_radio)
    scene = scene_of(queries, database, None)
    truth = Poses(
        floats("true_positions", true_positions),
        None if true_headings is None else floats("true_headings", true_headings),
    )
    first = retrieve(scene, candidates)
    relevant = poses_relevant(by, fov, truth, Poses.of(database, "positions"), first.indices)
    sample = labelled_sample(scene, first, relevant, truth.positions, by, fov)
    return calibrated_on([scene], [sample], by, fov)
