"""Radio as side information: which WiFi access points and Bluetooth beacons an image heard.

Each transmitter of a scene is one coordinate of a vector per image: the distance in metres that
free-space path loss gives for its signal, at most 500, and 500 where the image did not hear it.
The affinity of two images is 1 - 2.5e-4 * the Euclidean distance of their vectors. (Hanning,
Flood and Larsson, "Visual Re-Ranking with Non-Visual Side Information", SCIA 2025, arXiv
2504.11134.) Vectors are kept as sparse matrices of (distance - 500), so that what was not heard
is absent: distances of vectors stay the same.

An image that heard nothing at all, as a Radio's ``unknown`` says:

unknown: "zero": its affinity is 0, unknown, to every image: a session without radio says nothing
    about places. "published": it is the vector of all 500, so that two such images are alike (1).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array, vstack

from gcsa.errors import InputError, nearest

try:
    from gcsa import _kernels
except ImportError:  # not compiled: see setup.py
    _kernels = None

logger = logging.getLogger(__name__)

MAX_DISTANCE = 500.0  # metres
# No receiver hears less; where they do not know receivers write 0, 127 and the like.
WEAKEST = -120.0  # dBm
DEFAULT_MHZ = 2400.0  # Bluetooth, and WiFi of unknown frequency
SCALE = 2.5e-4  # affinity lost per metre
UNKNOWN = ("zero", "published")
ROWS = 1024  # rows of a pairwise matrix at a time: bounds the memory, and lets Ctrl-C in between


@dataclass(frozen=True, eq=False)
class Radio:
    """What n images heard of T transmitters.

    matrix: (n, T) csr_array float64, distance - 500 in metres where a transmitter was heard (0 is
    stored where that is 500 m or more), absent where not. transmitters: (T,) str. unknown: what
    an image that heard nothing is as side information; see the module.
    """

    matrix: csr_array
    transmitters: np.ndarray
    unknown: str = "zero"

    def __post_init__(self) -> None:
        if self.matrix.shape[1] != len(self.transmitters):
            raise InputError(
                f"radio: {self.matrix.shape[1]} columns for {len(self.transmitters)} transmitters"
            )
        _check_unknown(self.unknown)

    def __len__(self) -> int:
        return self.matrix.shape[0]

    def __getitem__(self, rows: np.ndarray | slice) -> Radio:
        """Some images: by index array, mask or slice."""
        return replace(self, matrix=self.matrix[rows])

    @cached_property
    def has_any(self) -> np.ndarray:
        """Whether an image heard anything, (n,) bool."""
        return np.diff(self.matrix.indptr) > 0

    @cached_property
    def squares(self) -> np.ndarray:
        """Squared length of each row of the matrix, (n,) float64."""
        row = np.repeat(np.arange(len(self)), np.diff(self.matrix.indptr))
        return np.bincount(row, weights=self.matrix.data**2, minlength=len(self))

    @cached_property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The matrix as gcsa._kernels takes it: values, columns, starts of rows, squares."""
        types = (np.float64, np.int64, np.int64, np.float64)
        parts = self.matrix.data, self.matrix.indices, self.matrix.indptr, self.squares
        return tuple(np.ascontiguousarray(p, t) for p, t in zip(parts, types, strict=True))


def measured(rssi_dbm: np.ndarray, where: str) -> np.ndarray:
    """Which signals are measurements, bool of the same shape: from -120 dBm to below 0.

    The others (NaN too) are unknown and count as not heard; how many they are is said.
    where: the file or argument that they are of, for the message.
    """
    known = (rssi_dbm >= WEAKEST) & (rssi_dbm < 0)
    if not known.all():
        unknown, total = known.size - np.count_nonzero(known), known.size
        logger.warning(
            "%s: %d of %d signals are unknown (0, positive or below %g dBm), not counted as heard",
            where,
            unknown,
            total,
            WEAKEST,
        )
    return known


def path_loss_distance(rssi_dbm: np.ndarray, frequency_mhz: np.ndarray) -> np.ndarray:
    """Metres at which free-space path loss explains a signal, at most 500.

    Frequencies that are not positive (-1, NaN: unknown) count as 2400 MHz. Arguments broadcast.
    """
    frequency = np.asarray(frequency_mhz, dtype=np.float64)
    megahertz = np.where(frequency > 0, frequency, DEFAULT_MHZ)
    loss = np.abs(np.asarray(rssi_dbm, dtype=np.float64))
    exponent = (27.55 - 20 * np.log10(megahertz) + loss) / 20
    return 10.0 ** np.minimum(exponent, np.log10(MAX_DISTANCE))


def from_rssi(rssi_dbm: np.ndarray, frequency_mhz: np.ndarray | float = DEFAULT_MHZ) -> Radio:
    """Radio of n images from signals (n, T) in dBm, NaN where one was not heard.

    frequency_mhz: a number, or (T,); see :func:`path_loss_distance`. Transmitters are numbered.
    What is no measurement was not heard: :func:`measured`.
    """
    if rssi_dbm.ndim != 2 or np.isinf(rssi_dbm).any():
        raise InputError(f"radio: expected signals (n, T) in dBm, got shape {rssi_dbm.shape}")
    image, transmitter = np.nonzero(~np.isnan(rssi_dbm))
    known = measured(rssi_dbm[image, transmitter], "radio")
    image, transmitter = image[known], transmitter[known]
    frequency = np.broadcast_to(frequency_mhz, rssi_dbm.shape[1:])[transmitter]
    metres = path_loss_distance(rssi_dbm[image, transmitter], frequency)
    entries = metres - MAX_DISTANCE, (image, transmitter)
    names = np.arange(rssi_dbm.shape[1]).astype(str)
    return Radio(csr_array(entries, shape=rssi_dbm.shape), names)


def align(radios: Sequence[Radio]) -> list[Radio]:
    """The same observations, all with the same columns: every transmitter of any, sorted."""
    names = np.unique(np.concatenate([np.array([], dtype=str), *(r.transmitters for r in radios)]))
    aligned = []
    for radio in radios:
        column = np.searchsorted(names, radio.transmitters)
        matrix = radio.matrix
        parts = (matrix.data, column[matrix.indices], matrix.indptr)
        wider = csr_array(parts, shape=(len(radio), len(names)))
        aligned.append(replace(radio, matrix=wider, transmitters=names))
    return aligned


def stack(radios: Sequence[Radio]) -> Radio:
    """The images of all, one after another; ``unknown`` is the first's."""
    if len(radios) == 1:
        return radios[0]
    radios = align(radios)
    matrix = csr_array(vstack([radio.matrix for radio in radios], format="csr"))
    return replace(radios[0], matrix=matrix)


def stack_columns(n: int, radios: Sequence[Radio]) -> Radio:
    """What the same n images heard of different transmitters, together."""
    if not radios:
        return Radio(csr_array((n, 0), dtype=np.float64), np.array([], dtype=str))
    total = align(radios)
    entries = [radio.matrix.tocoo() for radio in total]
    rows = np.concatenate([e.row for e in entries])
    columns = np.concatenate([e.col for e in entries])
    values = np.concatenate([e.data for e in entries])
    matrix = csr_array((values, (rows, columns)), shape=total[0].matrix.shape)
    return Radio(matrix, total[0].transmitters)


def dropout(radio: Radio, p: float, generator: np.random.Generator) -> Radio:
    """Radio with each heard entry removed, as if not heard, with probability ``p``."""
    if not 0 <= p <= 1:
        raise InputError(f"radio dropout: {p} is not a share, 0 to 1")
    matrix = radio.matrix
    keep = generator.random(matrix.nnz) >= p
    starts = np.concatenate([[0], np.cumsum(keep)])[matrix.indptr]
    parts = (matrix.data[keep], matrix.indices[keep], starts)
    return replace(radio, matrix=csr_array(parts, shape=matrix.shape))


def pairwise_affinity(radio_a: Radio, radio_b: Radio, unknown: str = "published") -> np.ndarray:
    """Affinity of all pairs: 1 - 2.5e-4 * distance, (n_a, n_b) float64, right to 1e-6.

    By default the plain formula, also for images that heard nothing; ``unknown``: see the module.
    """
    _check_unknown(unknown)
    names = radio_a.transmitters, radio_b.transmitters
    if names[0] is not names[1] and not np.array_equal(*names):
        radio_a, radio_b = align([radio_a, radio_b])
    result = np.empty((len(radio_a), len(radio_b)))
    rows, anchors = np.arange(len(radio_a)), np.arange(len(radio_b))
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        _fill(result[None, part], radio_a, rows[None, part], radio_b, anchors[None], unknown)
    return result


def affinity_block(
    radio: Radio, rows: np.ndarray, anchors: np.ndarray, unknown: str = "zero"
) -> np.ndarray:
    """Affinities of many small sets at once: (B, R) and (B, A) rows of ``radio`` -> (B, R, A).

    A row of -1 is padding: 0 throughout. float32. See :func:`stack` for one Radio of database
    and queries.
    """
    _check_unknown(unknown)
    result = np.empty((*rows.shape, anchors.shape[1]), dtype=np.float32)
    _fill(result, radio, rows, radio, anchors, unknown)
    return result


def affinity_of_lists(radio: Radio, queries: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """Affinities (Q, N) float64 of rows ``queries`` (Q,) of ``radio`` to those of their lists.

    lists: (Q, N) rows, -1 for padding. NaN where either image heard nothing, and for padding.
    """
    has_any, found = np.append(radio.has_any, False), np.empty(lists.shape)
    for start in range(0, len(queries), ROWS):
        part = slice(start, start + ROWS)
        block = affinity_block(radio, queries[part, None], lists[part])[:, 0]
        known = has_any[queries[part]][:, None] & has_any[lists[part]]
        found[part] = np.where(known, block, np.nan)
    return found


def _fill(
    result: np.ndarray, a: Radio, rows: np.ndarray, b: Radio, anchors: np.ndarray, unknown: str
) -> None:
    """Write affinities of rows (B, R) of a and anchors (B, A) of b, -1 for padding: (B, R, A)."""
    if _kernels is None:
        for r, c, block in zip(rows, anchors, result, strict=True):
            block[:] = _plain(a, r, b, c, unknown)
    else:
        lists = (np.ascontiguousarray(index, dtype=np.int64) for index in (rows, anchors))
        width, zero = len(a.transmitters), unknown == "zero"
        _kernels.radio_affinities(a.arrays, b.arrays, width, *lists, SCALE, zero, result)


def _plain(a: Radio, rows: np.ndarray, b: Radio, anchors: np.ndarray, unknown: str) -> np.ndarray:
    """As src_c/radio.c, without a compiler: |x|^2 + |y|^2 - 2 x.y in float64, for one list."""
    result = np.zeros((len(rows), len(anchors)))
    r, c = np.flatnonzero(rows >= 0), np.flatnonzero(anchors >= 0)
    if unknown == "zero":
        r, c = r[a.has_any[rows[r]]], c[b.has_any[anchors[c]]]
    i, j = rows[r], anchors[c]
    squares = (a.matrix[i] @ b.matrix[j].T).toarray()
    squares *= -2
    squares += a.squares[i][:, None]
    squares += b.squares[j]
    result[np.ix_(r, c)] = 1 - SCALE * np.sqrt(np.maximum(squares, 0))
    return result


def _check_unknown(unknown: str) -> None:
    if unknown not in UNKNOWN:
        raise InputError(f"radio unknown: no '{unknown}'{nearest(unknown, UNKNOWN)}")
