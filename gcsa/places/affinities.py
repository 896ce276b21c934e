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

    def between(self, rows: Tensor, top: Tensor) -> Tensor:
        """The affinities (B, A, K, M) of candidates ``rows`` (B, K), -1 padded, with those of
        columns ``top`` (B, M)."""
        keys = rows.gather(1, top)
        shape = len(rows), len(AFFINITIES), rows.shape[1], keys.shape[1]
        out = torch.zeros(shape, device=rows.device)
        out[:, NUMBER["itself"]].scatter_(1, top[:, None], 1)
        self._looks(rows, top, out[:, NUMBER["looks"]])
        a, b = rows.clamp(min=0), keys.clamp(min=0)
        if self.places is not None:
            self._positions(rows, keys, top, out)
        if self._headings is not None:
            headings = self._headings[a], self._headings[b]
            _cosine(*headings, out[:, NUMBER["headed"]], out[:, NUMBER["facing"]])
        if self._radio is not None:
            self._heard(self._radio, rows, keys, out[:, NUMBER["heard"]], out[:, NUMBER["radio"]])
        if self._groups is not None:
            one, other = self._groups[a][:, :, None], self._groups[b][:, None]
            out[:, NUMBER["together"]] = (one == other) & (one >= 0)
        return _where_both(rows >= 0, keys >= 0, out)

    def with_query(self, queries: Tensor, rows: Tensor) -> Tensor:
        """Those of the queries (B,) with their candidates, (B, A, K)."""
        out = torch.zeros(len(rows), len(AFFINITIES), rows.shape[1], device=rows.device)
        if self._headings is not None and self._query_headings is not None:
            headings = self._headings[rows.clamp(min=0)], self._query_headings[queries][:, None]
            found = (out[:, NUMBER[name], :, None] for name in ("headed", "facing"))
            _cosine(*headings, *found)
        if self._query_radio is not None:
            count = len(self.scene.queries)
            shifted = torch.where(rows >= 0, rows + count, -1)
            heard, value = out[:, NUMBER["heard"], None], out[:, NUMBER["radio"], None]
            self._heard(self._query_radio, queries[:, None], shifted, heard, value)
        return _where_both(rows >= 0, None, out)

    def _looks(self, rows: Tensor, top: Tensor, out: Tensor) -> None:
        """Inner products of descriptors, standardised by list; 0 of padding and of an image with
        itself."""
        images, place = torch.unique(rows.clamp(min=0), return_inverse=True)
        described = torch.from_numpy(self.scene.database.descriptors[images.cpu().numpy()])
        described = described.to(rows.device).float()
        each, keys = (_rows(described, number) for number in (place, place.gather(1, top)))
        value = torch.bmm(each, keys.transpose(1, 2)).scatter_(1, top[:, None], 0)
        valid = rows >= 0
        held = valid.gather(1, top)
        _where_both(valid, held, value[:, None])
        count = (held.sum(1) * (valid.sum(1) - 1)).clamp(min=1)[:, None, None]
        # The mean first, and then the squares: images may be alike to the third digit.
        value.sub_(value.sum((1, 2), keepdim=True) / count).scatter_(1, top[:, None], 0)
        _where_both(valid, held, value[:, None])
        spread = (value.square().sum((1, 2), keepdim=True) / count).sqrt().clamp(min=1e-6)
        out.copy_(value.div_(spread).clamp_(-MOST, MOST))

    def _positions(self, rows: Tensor, keys: Tensor, top: Tensor, out: Tensor) -> None:
        assert self.places is not None
        a, b = rows.clamp(min=0), keys.clamp(min=0)
        wide = torch.full_like(keys, 1, dtype=torch.float32)
        standing = Hypotheses(
            top,
            keys,
            self.places.positions[b],
            self.spread.metres * wide,
            self.places.headings[b],
            self.spread.turn * wide,
        )
        away = distances(self.places.positions[a], self.places.positions[b]).div_(self.reach)
        out[:, NUMBER["kernel"]] = self.kernel(standing, rows).transpose(1, 2)
        # Numbers below the normal ones would take a hundred times as long from here on.
        torch.exp(-away.clamp(max=80), out=out[:, NUMBER["near"]])
        torch.log1p(away, out=out[:, NUMBER["far"]]).div_(3)
        out[:, NUMBER["placed"]] = 1
        own = out[:, NUMBER["placed"] : NUMBER["far"] + 1]
        _where_both(self.places.known[a], self.places.known[b], own)

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


def _rows(values: Tensor, numbers: Tensor) -> Tensor:
    """values[numbers], (B, K, D), in half the time that this takes."""
    return values.index_select(0, numbers.flatten()).view(*numbers.shape, -1)


def _cosine(one: Tensor, other: Tensor, flag: Tensor, out: Tensor) -> None:
    """Cosines (B, K, M) of the angles between headings (B, K) and (B, M), and whether both are
    known; 0 where not."""
    known = one.isfinite(), other.isfinite()
    one, other = one.nan_to_num(0, 0, 0), other.nan_to_num(0, 0, 0)
    torch.mul(torch.cos(one)[:, :, None], torch.cos(other)[:, None], out=out)
    out.addcmul_(torch.sin(one)[:, :, None], torch.sin(other)[:, None])
    flag.fill_(1)
    for each in (flag, out):
        _where_both(*known, each[:, None])


def _where_both(one: Tensor, other: Tensor | None, values: Tensor) -> Tensor:
    """Values (B, A, K, M) with 0 where not both ``one`` (B, K) and ``other`` (B, M), in place; of
    (B, A, K) without ``other``. Mostly nothing is to be done, which is quickly found."""
    if other is None:
        return values if one.all() else values.mul_(one[:, None])
    if one.all() and other.all():
        return values
    return values.mul_((one[:, :, None] & other[:, None])[:, None])
