"""What two candidates of a list have to do with each other, for the network of places.

Affinities are computed for the pairs of a block of lists when they are asked for: of looks, of
distance in units of the rule, of the rule itself, of headings, of radio, and whether two photos
were taken together. Unknown is 0, beside a flag.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gcsa.places.kernels import Hypotheses, Kernel, Places, distances
from gcsa.places.standing import Spread
from gcsa.scene import Scene
from gcsa.sideinfo import radio

# The channels of a pair, in their order.
AFFINITIES = (
    *("looks", "itself", "placed", "kernel", "near", "far", "headed", "facing", "heard", "radio"),
    "together",
)
NUMBER = {name: number for number, name in enumerate(AFFINITIES)}
MOST = 5.0  # standard deviations of looks


class Affinities:
    """The affinities of a scene's images; everything that the scene lacks is unknown.

    places, kernel, spread: of :class:`gcsa.places.locator.Locator`; places is None without
    positions. reach: metres within which images of one place lie. Tensors lie on ``device``.
    """

    def __init__(
        self,
        scene: Scene,
        places: Places | None,
        kernel: Kernel,
        spread: Spread,
        reach: float,
        device: torch.device | str = "cpu",
    ):
        self.scene, self.places, self.kernel, self.spread = scene, places, kernel, spread
        self.reach, database, queries = reach, scene.database, scene.queries
        self._headings = _tensor(database.headings, device)
        self._query_headings = _tensor(queries.headings, device)
        self._groups = _tensor(database.sequences, device)
        self._radio, self._query_radio = database.radio, None
        if database.radio is not None and queries.radio is not None:
            self._query_radio = radio.stack([queries.radio, database.radio])

    def between(self, rows: Tensor, top: Tensor, out: Tensor) -> None:
        """Write the affinities of candidates ``rows`` (B, K), -1 padded, with those of columns
        ``top`` (B, M), into ``out`` (B, A, K, M), zeros before."""
        keys = rows.gather(1, top)
        valid = (rows >= 0)[:, :, None] & (keys >= 0)[:, None]
        a, b = rows.clamp(min=0), keys.clamp(min=0)
        columns = torch.arange(rows.shape[1], device=rows.device)
        itself = columns[None, :, None] == top[:, None]
        out[:, NUMBER["itself"]] = itself
        self._looks(a, b, valid & ~itself, out[:, NUMBER["looks"]])
        if self.places is not None:
            self._positions(rows, keys, top, out)
        if self._headings is not None:
            turn = self._headings[a][:, :, None] - self._headings[b][:, None]
            _cosine(turn, out[:, NUMBER["headed"]], out[:, NUMBER["facing"]])
        if self._radio is not None:
            self._heard(self._radio, rows, keys, out[:, NUMBER["heard"]], out[:, NUMBER["radio"]])
        if self._groups is not None:
            one, other = self._groups[a][:, :, None], self._groups[b][:, None]
            out[:, NUMBER["together"]] = (one == other) & (one >= 0)
        out *= valid[:, None]

    def with_query(self, queries: Tensor, rows: Tensor, out: Tensor) -> None:
        """Write those of the queries (B,) with their candidates into ``out`` (B, A, K)."""
        valid = rows >= 0
        if self._headings is not None and self._query_headings is not None:
            turn = self._query_headings[queries][:, None] - self._headings[rows.clamp(min=0)]
            _cosine(turn, out[:, NUMBER["headed"]], out[:, NUMBER["facing"]])
        if self._query_radio is not None:
            count = len(self.scene.queries)
            shifted = torch.where(valid, rows + count, -1)
            heard, value = out[:, NUMBER["heard"], None], out[:, NUMBER["radio"], None]
            self._heard(self._query_radio, queries[:, None], shifted, heard, value)
        out *= valid[:, None]

    def _looks(self, a: Tensor, b: Tensor, counted: Tensor, out: Tensor) -> None:
        """Inner products of descriptors, standardised by list, 0 where not ``counted``."""
        images, place = torch.unique(a, return_inverse=True)
        rows = np.asarray(self.scene.database.descriptors[images.cpu().numpy()], np.float32)
        described = torch.from_numpy(rows).to(a.device)
        # A key is one of the list, so that its descriptor is there already.
        keys = described[torch.searchsorted(images, b)]
        value = torch.bmm(described[place], keys.transpose(1, 2))
        count = counted.sum((1, 2), keepdim=True).clamp(min=1)
        value -= (value * counted).sum((1, 2), keepdim=True) / count
        value *= counted
        spread = (value.square().sum((1, 2), keepdim=True) / count).sqrt().clamp(min=1e-6)
        out.copy_((value / spread).clamp_(-MOST, MOST))

    def _positions(self, rows: Tensor, keys: Tensor, top: Tensor, out: Tensor) -> None:
        assert self.places is not None
        a, b = rows.clamp(min=0), keys.clamp(min=0)
        placed = self.places.known[a][:, :, None] & self.places.known[b][:, None]
        away = distances(self.places.positions[a], self.places.positions[b]) / self.reach
        wide = torch.full_like(keys, 1, dtype=torch.float32)
        standing = Hypotheses(
            top,
            keys,
            self.places.positions[b],
            self.spread.metres * wide,
            self.places.headings[b],
            self.spread.turn * wide,
        )
        out[:, NUMBER["placed"]] = placed
        out[:, NUMBER["kernel"]] = self.kernel(standing, rows).transpose(1, 2) * placed
        out[:, NUMBER["near"]] = torch.exp(-away) * placed
        out[:, NUMBER["far"]] = torch.log1p(away) / 3 * placed

    def _heard(
        self, heard: radio.Radio, rows: Tensor, others: Tensor, flag: Tensor, out: Tensor
    ) -> None:
        """Radio affinities of rows (B, R) and others (B, C) into (B, R, C), about -1 to 1."""
        a, b = (index.cpu().numpy() for index in (rows, others))
        known = np.append(heard.has_any, False)
        both = torch.from_numpy(known[a][:, :, None] & known[b][:, None]).to(out.device)
        value = torch.from_numpy(radio.affinity_block(heard, a, b)).to(out.device)
        flag.copy_(both)
        out.copy_((2 * value - 1).clamp_(min=-2) * both)


def _tensor(values: np.ndarray | None, device: torch.device | str) -> Tensor | None:
    if values is None:
        return None
    kind = np.float32 if values.dtype.kind == "f" else values.dtype
    return torch.from_numpy(np.ascontiguousarray(values, kind)).to(device)


def _cosine(turn: Tensor, flag: Tensor, out: Tensor) -> None:
    """Cosines of angles, 0 where unknown, and whether they are known."""
    known = turn.isfinite()
    flag.copy_(known)
    out.copy_(torch.cos(turn.masked_fill(~known, 0)) * known)
