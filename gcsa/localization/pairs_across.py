"""Pairs files over many scenes: each query's best images of all databases together."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

from gcsa.config import Config
from gcsa.localization.pairs_files import write_candidates
from gcsa.ranking.lists import Ranking
from gcsa.ranking.union import Union
from gcsa.scoring.across import read_union
from gcsa.scoring.ranker import Ranker, open_ranker

logger = logging.getLogger(__name__)


def pairs_across(
    config: Config,
    output: str,
    split: str,
    num: int,
    scores: str | None = None,
    ranker: Ranker | None = None,
) -> Path:
    """Write one pairs file of all scenes of a split, names led by that of their scene.

    num: database images of a query, of all databases together. scores: a file to write
    "query database score" lines to. ranker: what re-ranks the lists; without, nothing does. Of
    each scene it is said in which scenes the first images are.
    """
    ranker = ranker or open_ranker(config)
    # No label files are read: what is relevant is for the ranker alone, and it has it already.
    data = replace(ranker.config.data, train_labels="dist", val_labels="dist")
    unjudged = replace(ranker, config=replace(ranker.config, data=data))
    read = read_union(unjudged, split, max(num, ranker.depth))
    lists = ranker.rank(read.ranked)
    _say(read.union, lists)
    write_candidates(output, read.union.scene, lists, num, scores)
    return Path(output)


def _say(union: Union, lists: Ranking) -> None:
    """In which scenes the first images of each scene's queries are."""
    names = [scene.name for scene in union.scenes]
    first = union.scene_of(lists.indices[:, 0])
    for number, name in enumerate(names):
        own = first[union.own == number]
        there = Counter(names[i] for i in own if i >= 0)
        told = ", ".join(f"{count} in {other}" for other, count in there.most_common())
        logger.info("%s: the first images of %d queries are %s", name, len(own), told)
