"""Pairs files as the candidate lists of a scene, and back."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from gcsa.datasets.hloc import read_pairs, read_scores, write_pairs, write_scores
from gcsa.errors import InputError
from gcsa.files.lines import PathLike
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene

logger = logging.getLogger(__name__)

CLOSE = 0.9  # difflib's ratio from which on two names are one, misspelt


def read_candidates(path: PathLike, scene: Scene, scored: bool = False) -> Ranking:
    """The lists of a pairs file (of a file of scores: ``scored``), a row for each query.

    Lists keep the order of the file and are padded to the longest; a query that the file lacks
    has an empty one. A pair that is there again, or of an image with itself, is passed over, as
    hloc does, and so are pairs of images that the scene does not have: it leaves them out
    (panoramas, another subtask), or their names are misspelt, which a warning says.
    Without scores they are 0, -1, -2, ...: the order alone. Raises InputError where there is no
    pair, none of the scene, or where scores rise within a list.
    """
    if scored:
        names, others, scores = read_scores(path)
    else:
        (names, others), scores = read_pairs(path), None
    query = _rows(path, names, scene.queries.names, f"query of {scene.name}")
    image = _rows(path, others, scene.database.names, f"database image of {scene.name}")
    there = (query >= 0) & (image >= 0)
    if not there.any():
        raise InputError(f"{path}: no pair of a query and a database image of {scene.name}")
    if not there.all():
        word, known = names[query < 0], scene.queries.names
        if not len(word):
            word, known = others[image < 0], scene.database.names
        text = "%s: %d of %d pairs are passed over, %s leaves out their images or they are misspelt"
        text += ", such as '%s'%s"
        counts = int((~there).sum()), len(there)
        logger.warning(text, path, *counts, scene.name, word[0], _misspelt(str(word[0]), known))
    kept = _first_times(query, image) & (names != others) & there
    order = np.flatnonzero(kept)[np.argsort(query[kept], kind="stable")]
    query, image = query[order], image[order]
    lengths = np.bincount(query, minlength=len(scene.queries))
    place = np.arange(len(query)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    values = -place.astype(np.float32) if scores is None else scores[order]
    _check_falling(path, query, values)
    shape = len(scene.queries), int(lengths.max(initial=0))
    indices, result = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
    indices[query, place], result[query, place] = image, values
    missing = int((lengths == 0).sum())
    if missing:
        logger.info(
            "%s: no pairs for %d of %d queries of %s", path, missing, *shape[:1], scene.name
        )
    return Ranking(indices, result)


def write_candidates(
    path: PathLike,
    scene: Scene,
    candidates: Ranking,
    num: int | None = None,
    scores: PathLike | None = None,
) -> int:
    """Write the first ``num`` of each list (None: all) as a pairs file; returns how many pairs.

    scores: a file of scores to write too.
    """
    query, column = np.nonzero(candidates.valid[:, :num])
    names = scene.queries.names[query], scene.database.names[candidates.indices[query, column]]
    write_pairs(path, *names)
    if scores is not None:
        write_scores(scores, *names, candidates.scores[query, column])
    return len(query)


def similar_enough(candidates: Ranking, least: float | None, name: str) -> Ranking:
    """First-round lists without the candidates whose similarity is below ``least``; None: all.

    hloc leaves those below 0 out. How many of scene ``name`` there are is said in the log.
    """
    below = candidates.valid & (candidates.scores < (0 if least is None else least))
    counts = name, int(below.sum()), int(candidates.valid.sum())
    if least is None:
        if below.any():
            text = "%s: %d of %d candidates have a similarity below 0; hloc leaves these out, "
            logger.info(text + "--min_similarity 0 too", *counts)
        return candidates
    logger.info("%s: %d of %d candidates left out, their similarity is below %g", *counts, least)
    # Scores fall within a list, so that what is left stands before what becomes padding.
    return Ranking(
        np.where(below, -1, candidates.indices),
        np.where(below, -np.inf, candidates.scores).astype(np.float32),
    )


def padded(candidates: Ranking, width: int) -> Ranking:
    """Lists of at least ``width`` entries: padding is added where they are shorter."""
    more = max(0, width - candidates.indices.shape[1])
    return Ranking(
        np.pad(candidates.indices, ((0, 0), (0, more)), constant_values=-1),
        np.pad(candidates.scores, ((0, 0), (0, more)), constant_values=-np.inf),
    )


def _rows(path: PathLike, wanted: np.ndarray, names: np.ndarray, what: str) -> np.ndarray:
    """Rows of names, (m,) int64, -1 where there is none; InputError where there are none at all."""
    place = pd.Index(names).get_indexer(wanted)
    if not len(place):
        raise InputError(f"{path}: holds no pairs, expected 'query database' lines")
    if (place < 0).all():
        hint = _misspelt(str(wanted[0]), names) or f"; its names are like '{names[0]}'"
        raise InputError(f"{path}: '{wanted[0]}' is no {what}{hint}")
    return place


def _misspelt(name: str, names: np.ndarray) -> str:
    """A hint where a name is nearly one of ``names``: in case, folder or ending, or by a letter."""
    variants = [str(n) for n in names if _bare(str(n)) == _bare(name)]
    close = variants or difflib.get_close_matches(name, map(str, names), n=1, cutoff=CLOSE)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _bare(name: str) -> str:
    return Path(name).stem.lower()


def _first_times(query: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Which pairs have not been there before, (m,) bool."""
    return ~pd.DataFrame({"query": query, "image": image}).duplicated().to_numpy()


def _check_falling(path: PathLike, query: np.ndarray, scores: np.ndarray) -> None:
    rising = (query[1:] == query[:-1]) & (scores[1:] > scores[:-1])
    if rising.any():
        score = scores[1 + int(rising.argmax())]
        raise InputError(f"{path}: scores must fall within a query, {score:g} follows a lower one")
