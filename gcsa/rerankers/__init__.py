"""Re-rankers that need no training, to compare a trained model with.

Those of RERANKERS take similarities (:mod:`gcsa.rerankers.similarity`), first-round candidates and
their own config; those of PLACES take the scene, as they ask what else is known of it, and the rule
that says what is relevant. Both return ranked lists: the first K (all for 0) in a new order with
new scores, the others behind in first-round order. A new one is a file and a line. Any of them, and
a trained model, can be fused with the first round: :func:`gcsa.rerankers.fusion.fuse`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gcsa import distributed
from gcsa.distributed.work import Arrays, divided, pieces_of
from gcsa.errors import InputError, nearest
from gcsa.places.located import Located
from gcsa.ranking.lists import Ranking
from gcsa.rerankers import (
    augmentation,
    diffusion,
    expansion,
    geometric,
    icfrr,
    k_reciprocal,
    neighbours,
    place,
    posterior,
    raw_affinity,
)
from gcsa.rerankers.similarity import FromDescriptors, Similarity
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule


@dataclass(frozen=True)
class Method:
    """A re-ranker: the class of its config, its function, and values worth trying of settings.

    Of a setting that says how many neighbours in the database are looked for, the largest value
    stands first: smaller ones are answered from that search while it is the outermost loop.
    """

    config: type
    rerank: Callable[[Similarity, Ranking, Any], Ranking]
    grid: Mapping[str, list] = field(default_factory=dict)


RERANKERS: dict[str, Method] = {
    "average-qe": Method(
        expansion.AverageQEConfig, expansion.average_qe, {"k": [1, 2, 3, 5, 10, 20]}
    ),
    "alpha-qe": Method(
        expansion.AlphaQEConfig,
        expansion.alpha_qe,
        {"k": [2, 5, 10, 20, 50], "alpha": [1.0, 2.0, 3.0, 5.0]},
    ),
    "dba": Method(
        augmentation.DBAConfig,
        augmentation.dba,
        {"k": [20, 10, 5, 2], "alpha": [0.0, 1.0, 3.0], "qe_k": [0, 5, 10]},
    ),
    "k-reciprocal": Method(
        k_reciprocal.KReciprocalConfig,
        k_reciprocal.k_reciprocal,
        {"k1": [5, 10, 20], "k2": [1, 3, 6], "lambda_": [0.1, 0.3, 0.5]},
    ),
    "icfrr": Method(
        icfrr.ICFRRConfig,
        icfrr.icfrr,
        {
            "KG": [125, 30, 10, 5],
            "KQ": [1, 3, 10, 30],
            "beta": [0.1, 0.5],
            "iterations": [1, 5],
            "base": ["position", "accumulate"],
        },
    ),
    "affinity": Method(
        raw_affinity.RawAffinityConfig, raw_affinity.raw_affinity, {"L": [10, 30, 60, 127, 255]}
    ),
    "diffusion": Method(
        diffusion.DiffusionConfig,
        diffusion.diffusion,
        {"k": [3, 5, 10, 20, 50, 100], "alpha": [0.8, 0.9, 0.99], "gamma": [1.0, 3.0]},
    ),
}


@dataclass(frozen=True)
class PlaceMethod:
    """A re-ranker that reads the scene; its config, its function, values worth trying."""

    config: type
    rerank: Callable[[Scene, Ranking, Any, Rule, FovConfig], Ranking]
    grid: Mapping[str, list] = field(default_factory=dict)


@dataclass(frozen=True)
class LocatingMethod(PlaceMethod):
    """One that answers where a query was taken, beside its lists, and reads section posterior."""

    rerank: Callable[..., Located]


LOCATING: dict[str, LocatingMethod] = {
    "posterior": LocatingMethod(posterior.PosteriorConfig, posterior.posterior),
    "place": LocatingMethod(place.PlaceMethodConfig, place.place),
}
# What locates photos where nobody says otherwise: the one that measured better on photos that
# neither was made for (docs/learning.md).
DEFAULT = "posterior"

PLACES: dict[str, PlaceMethod] = {
    "neighbours": PlaceMethod(neighbours.NeighboursConfig, neighbours.by_distance),
    "neighbours-overlap": PlaceMethod(neighbours.NeighboursConfig, neighbours.by_overlap),
    "geometric": PlaceMethod(geometric.GeometricConfig, geometric.geometric),
    **LOCATING,
}
NAMES = (*RERANKERS, *PLACES)


def known(name: str) -> Method | PlaceMethod:
    """A re-ranker of either kind by name; InputError with the nearest names where there is none."""
    if name not in NAMES:
        raise InputError(f"no re-ranker '{name}'{nearest(name, NAMES)}")
    return RERANKERS[name] if name in RERANKERS else PLACES[name]


def apply(
    name: str,
    scene: Scene,
    candidates: Ranking,
    config: Any,
    rule: Rule,
    fov: FovConfig,
    device: torch.device | str = "cpu",
) -> Ranking:
    """The lists of a scene re-ranked by a method of either kind.

    Several processes divide the queries among them, but for methods of so little work that each
    does all of it.
    """
    if name in PLACES and name != "geometric":
        return PLACES[name].rerank(scene, candidates, config, rule, fov)
    similarity = None if name in PLACES else FromDescriptors(scene, device)

    def work(rows: np.ndarray) -> Arrays:
        asked = candidates.of_rows(rows)
        if similarity is None:
            part = PLACES[name].rerank(scene.asked_by(rows, False), asked, config, rule, fov)
        else:
            part = method(name).rerank(similarity.of_queries(rows), asked, config)
        return {"indices": part.indices, "scores": part.scores}

    def about() -> object:
        return name, scene, candidates, config, rule, fov

    # One process looks for all neighbours at once.
    several = distributed.size() > 1
    pieces = pieces_of(len(candidates)) if several else [np.arange(len(candidates))]
    return Ranking(**divided(pieces, work, about))


def method(name: str) -> Method:
    """A re-ranker by name; InputError with the nearest names where there is none."""
    if name not in RERANKERS:
        raise InputError(f"no re-ranker '{name}'{nearest(name, RERANKERS)}")
    return RERANKERS[name]
