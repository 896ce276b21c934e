"""Protocols: from ranked lists and ground truth to the figures that a benchmark reports.

In every formula n is the number of relevant images of a query in the whole database, r_0 < r_1 <
... the 0-based ranks of those that its list holds, junk taken out of the list first. Ranks count
images that are not junk. A relevant image that a cut list does not hold counts as never found.
An image that is both relevant and junk is junk.

Sources: Philbin et al., CVPR 2007 (classic); Radenovic et al., CVPR 2018 (revisited); Warburg et
al., CVPR 2020 (MSLS); Hudson and Smith, arXiv 2303.17703 (ICFRR); Revaud et al., ICCV 2019
(labels).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gcsa.errors import InputError, nearest
from gcsa.evaluation import metrics
from gcsa.evaluation.listed import ListedTruth

# Query-database pairs looked up at a time: bounds the memory, some twenty bytes a pair.
CHUNK = 1 << 22
REVISITED_KS = (1, 5, 10)
ICFRR_KS = (25, 100, 200)
ICFRR_DEPTH = 200
NEGATIVE, POSITIVE, JUNK = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Found:
    """Where the relevant images are, those of all queries behind each other, best first.

    query, rank, place: (T,) int64; image ``place`` (0-based) of the relevant ones that the list
    of ``query`` holds is at the 0-based, junk-free ``rank``. num: (Q,) int64, n of each query.
    """

    query: np.ndarray
    rank: np.ndarray
    place: np.ndarray
    num: np.ndarray

    def total(self, terms: np.ndarray) -> np.ndarray:
        """Sum of ``terms`` (T,) by query: (Q,) float64."""
        return np.bincount(self.query, weights=terms, minlength=len(self.num))

    def share(self, terms: np.ndarray) -> np.ndarray:
        """Sum of ``terms`` (T,) by query over n: (Q,) float64, NaN where n = 0."""
        return np.where(self.num > 0, self.total(terms) / np.maximum(self.num, 1), np.nan)


def find(
    order: np.ndarray, truth: ListedTruth, positive: tuple[str, ...], junk: tuple[str, ...] = ()
) -> Found:
    """Look up the images of the lists ``positive`` in ``order``, those of ``junk`` taken out.

    order: (Q, N) int rows of the database, best first, -1 where a list is shorter. Raises
    InputError where it does not fit the ground truth or lists a relevant image twice.
    """
    if order.ndim != 2 or len(order) != truth.shape[0]:
        raise InputError(
            f"order: shape {order.shape}, the ground truth is of {truth.shape[0]} queries"
        )
    parts = [
        _find_block(order[rows], codes, rows.start)
        for rows, codes in _blocks(truth, positive, junk, order.shape[1])
    ]
    query, rank, place, num = (
        np.concatenate([np.zeros(0, dtype=np.int64), *arrays])
        for arrays in (zip(*parts, strict=True) if parts else [[]] * 4)
    )
    return Found(query, rank, place, num if truth.num_relevant is None else truth.num_relevant)


def _blocks(
    truth: ListedTruth, positive: tuple[str, ...], junk: tuple[str, ...], width: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """(queries, (q, n) int8 codes of the database images) for some queries at a time."""
    queries, database = truth.shape
    lists = [
        (truth[name], code)
        for names, code in ((positive, POSITIVE), (junk, JUNK))
        for name in names
    ]
    step = max(1, CHUNK // max(1, database, width))
    for start in range(0, queries, step):
        rows = slice(start, min(start + step, queries))
        codes = np.full((rows.stop - start, database), NEGATIVE, dtype=np.int8)
        for pairs, code in lists:
            codes[pairs[rows].nonzero()] = code
        yield rows, codes


def _find_block(order: np.ndarray, codes: np.ndarray, first: int) -> tuple[np.ndarray, ...]:
    """The arrays of Found for some queries, the first of which has number ``first``."""
    database = codes.shape[1]
    if order.size and not -1 <= order.min() <= order.max() < database:
        raise InputError(f"order: holds rows that a database of {database} images does not have")
    listed = np.take_along_axis(codes, np.maximum(order, 0), axis=1)
    listed[order < 0] = NEGATIVE
    query, position = np.nonzero(listed == POSITIVE)
    junk_before = np.cumsum(listed == JUNK, axis=1, dtype=np.int32)[query, position]
    place = np.arange(len(query)) - np.searchsorted(query, query)
    pairs = query * database + order[query, position]
    if len(np.unique(pairs)) < len(pairs):
        raise InputError("order: a list holds a relevant image twice")
    return query + first, position - junk_before, place, np.sum(codes == POSITIVE, axis=1)


def trapezoidal_ap(found: Found) -> np.ndarray:
    """AP = (1/n) sum_j ((j / r_j, or 1 where r_j = 0) + (j+1) / (r_j+1)) / 2, j = 0, 1, ...

    The area under the precision-recall curve by the trapezoidal rule: (Q,) float64, NaN if n = 0.
    """
    before = np.where(found.rank > 0, found.place / np.maximum(found.rank, 1), 1.0)
    after = (found.place + 1) / (found.rank + 1)
    return found.share((before + after) / 2)


def step_ap(found: Found) -> np.ndarray:
    """AP = (1/n) sum_j (j+1) / (r_j+1): (Q,) float64, NaN where n = 0."""
    return found.share((found.place + 1) / (found.rank + 1))


def step_ap_within(found: Found, k: int) -> np.ndarray:
    """AP = (1/m) sum_{j < m} (j+1) / (r_j+1), m = #{j: r_j < k}: (Q,) float64, 0 where m = 0.

    Divided by what is among the first k, not by n: it may exceed the AP of the whole list.
    """
    inside = found.rank < k
    total = found.total(inside * (found.place + 1) / (found.rank + 1))
    return total / np.maximum(found.total(inside), 1)


def precision(found: Found, k: int) -> np.ndarray:
    """P@k = #{j: r_j < k} / k, also where the list is shorter than k: (Q,) float64."""
    return found.total(found.rank < k) / k


def revisited_precision(found: Found, k: int) -> np.ndarray:
    """P@k = #{j: r_j < k'} / k', k' = min(k, 1 + max_j r_j): (Q,) float64, NaN where n = 0.

    A query with few relevant images can reach 1. Where the list does not hold them all, the last
    one is beyond its end, and k' = k.
    """
    last = np.zeros(len(found.num), dtype=np.int64)
    np.maximum.at(last, found.query, found.rank + 1)
    complete = found.total(np.ones(len(found.rank))) >= found.num
    depth = np.where(complete, np.minimum(last, k), k)
    value = found.total(found.rank < depth[found.query]) / np.maximum(depth, 1)
    return np.where(found.num > 0, value, np.nan)


def _revisited(found: Found) -> dict[str, np.ndarray]:
    """mAP, mP@k: the trapezoidal AP and P@k; queries with n = 0 do not count."""
    precisions = {f"mP@{k}": revisited_precision(found, k) for k in REVISITED_KS}
    return {"mAP": trapezoidal_ap(found)} | precisions


def _classic(found: Found) -> dict[str, np.ndarray]:
    """mAP: the trapezoidal AP, 0 where n = 0."""
    return {"mAP": np.nan_to_num(trapezoidal_ap(found))}


def _place_recognition(found: Found) -> dict[str, np.ndarray]:
    """recall@k: whether r_0 < k; AP@k = sum_{r_j < k} (j+1) / (r_j+1) / min(k, n).

    Queries with n = 0 do not count; see :mod:`gcsa.evaluation.metrics`.
    """
    relevant = np.zeros((len(found.num), max(metrics.KS)), dtype=bool)
    top = found.rank < relevant.shape[1]
    relevant[found.query[top], found.rank[top]] = True
    return metrics.by_query(relevant, found.num)


def _icfrr(found: Found) -> dict[str, np.ndarray]:
    """The AP by steps (0 where n = 0), that within 200, and P@k; every query counts."""
    return {
        "mAP@all": np.nan_to_num(step_ap(found)),
        f"mAP@{ICFRR_DEPTH}": step_ap_within(found, ICFRR_DEPTH),
    } | {f"P@{k}": precision(found, k) for k in ICFRR_KS}


def _labels(found: Found) -> dict[str, np.ndarray]:
    """mAP: the AP by steps; queries with n = 0 do not count."""
    return {"mAP": step_ap(found)}


@dataclass(frozen=True)
class Protocol:
    """One benchmark's figures.

    description: a sentence for reports. positive, junk: the lists of the ground truth that count
    as relevant, and those that are taken out of the ranking. by_query: the figures query by query,
    (Q,) in [0, 1], NaN where a query does not count; a figure is the mean of the others.
    """

    description: str
    positive: tuple[str, ...]
    junk: tuple[str, ...]
    by_query: Callable[[Found], dict[str, np.ndarray]]

    def find(self, order: np.ndarray, truth: ListedTruth) -> Found:
        """See :func:`find`; for figures by query, as ``trapezoidal_ap(protocol.find(...))``."""
        return find(order, truth, self.positive, self.junk)

    def __call__(self, order: np.ndarray, truth: ListedTruth) -> dict[str, float]:
        """Figures of the ranked lists ``order`` (Q, N): database rows, best first, -1 padded."""
        values = self.by_query(self.find(order, truth))
        return {name: metrics.mean(value) for name, value in values.items()}


def _revisited_protocol(level: str, positive: tuple[str, ...], junk: tuple[str, ...]) -> Protocol:
    text = (
        f"revisited Oxford and Paris, {level}: {' and '.join(positive)} images are relevant, "
        f"{' and '.join(junk)} ones left out of the lists; trapezoidal AP, mP@k within the last "
        "relevant image; queries without a relevant image left out"
    )
    return Protocol(text, positive, junk, _revisited)


_PLACES = Protocol(
    "recall@k: share of queries with a relevant image among the first k; AP@k divided by "
    "min(k, number relevant); queries without a relevant image left out",
    ("relevant",),
    (),
    _place_recognition,
)

PROTOCOLS: dict[str, Protocol] = {
    "revisited-easy": _revisited_protocol("easy", ("easy",), ("junk", "hard")),
    "revisited-medium": _revisited_protocol("medium", ("easy", "hard"), ("junk",)),
    "revisited-hard": _revisited_protocol("hard", ("hard",), ("junk", "easy")),
    "classic": Protocol(
        "Oxford and Paris: ok images are relevant, junk left out of the lists; trapezoidal AP; a "
        "query without a relevant image counts as 0",
        ("ok",),
        ("junk",),
        _classic,
    ),
    "msls": _PLACES,
    "lamar": _PLACES,
    "icfrr": Protocol(
        "ICFRR: images of the query's label are relevant; mAP@all by steps; mAP@200 divided by the "
        "number relevant among the first 200; P@k always divided by k; a query without a relevant "
        "image counts as 0",
        ("relevant",),
        (),
        _icfrr,
    ),
    "labels": Protocol(
        "images of the query's label are relevant, the query itself left out of its list; AP by "
        "steps; queries without a relevant image left out",
        ("relevant",),
        ("own",),
        _labels,
    ),
}


def protocol(name: str) -> Protocol:
    """The protocol of that name; InputError with the nearest one where there is none."""
    if name not in PROTOCOLS:
        raise InputError(f"no protocol '{name}'{nearest(name, PROTOCOLS)}")
    return PROTOCOLS[name]
