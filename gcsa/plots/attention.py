"""What the rows of GCSA's transformer attend to, of one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from gcsa.errors import InputError
from gcsa.models.gcsa import GCSA, SelfAttention
from gcsa.plots.style import PALE, QUERY, RELEVANT, new_figure, styled
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene
from gcsa.sideinfo.affinity import Lists, SideInformation

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the model reads of some queries, after the projection; row 0 is the query.

    projected: (B, 1+N, D) float32. columns: (B, 1+K, C) float32. valid: (B, N) bool.
    """

    projected: Tensor
    columns: Tensor
    valid: Tensor


@torch.inference_mode()
def inputs_of(
    model: GCSA, scene: Scene, candidates: Ranking, side: SideInformation, query: int
) -> Inputs:
    """What the model reads of one query (B = 1), on the model's device."""
    device = next(model.parameters()).device
    indices = candidates.indices[[query], : max(model.K, model.L)]
    columns = side.columns(Lists(np.array([query]), indices, model.K, model.L))
    own = np.asarray(scene.queries.descriptors[np.array([query])])
    listed = np.asarray(scene.database.descriptors[np.maximum(indices[0], 0)])
    descriptors = torch.from_numpy(np.concatenate([own, listed])[None]).to(device)
    was_training = model.training
    projected = model.eval().project(descriptors.float())
    model.train(was_training)
    valid = torch.from_numpy(indices >= 0).to(device)
    return Inputs(projected, torch.from_numpy(columns).to(device), valid)


@torch.inference_mode()
def attention(
    model: GCSA, projected: Tensor, columns: Tensor | None = None, valid: Tensor | None = None
) -> Tensor:
    """Attention weights of every layer and head: (layers, B, heads, 1+K, 1+K) float32.

    Arguments as of :meth:`gcsa.models.gcsa.GCSA.refine`. Entry [l, b, h, i, j] is how much row i of
    query b takes from row j; rows sum to 1 and padded candidates get 0. The model's own attention
    never has these weights in memory: they are computed again, from what enters each layer.
    """
    if model.num_layers == 0:
        raise InputError("attention: the model has no transformer layer (model.num_layers is 0)")
    entered: list[tuple[Tensor, Tensor | None]] = []

    def note(_, arguments: tuple) -> None:
        entered.append(arguments)

    layers = [cast(SelfAttention, layer.attn) for layer in model.layers]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    was_training = model.training
    try:
        model.eval().refine(projected, columns, valid)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    pairs = zip(layers, entered, strict=True)
    return torch.stack([_weights(layer, x, keep) for layer, (x, keep) in pairs])


def _weights(attn: SelfAttention, x: Tensor, keep: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(d)) of one layer: (B, T, D') -> (B, heads, T, T)."""
    B, T, D = x.shape
    heads = torch.nn.functional.linear(x, attn.in_proj_weight[: 2 * D], attn.in_proj_bias[: 2 * D])
    q, k = heads.view(B, T, 2, attn.num_heads, D // attn.num_heads).permute(2, 0, 3, 1, 4)
    logits = (q @ k.transpose(-1, -2)).float() * (D // attn.num_heads) ** -0.5
    if keep is not None:
        logits = logits.masked_fill(~keep[:, None, None, :], -torch.inf)
    return logits.softmax(dim=-1)


@styled
def attention_bars(weights: np.ndarray, relevant: np.ndarray | None = None) -> Figure:
    """What the query's row attends to: the mean of the heads as bars, each head as an image row.

    weights: (heads, T, T) of one layer and query, rows summing to 1; the query is row 0.
    relevant: (T-1,) bool, which candidates are; they get a colour, and a mark above, and stand out
    of the others, which are light grey.
    """
    if weights.ndim != 3 or weights.shape[1] != weights.shape[2]:
        raise InputError(f"attention_bars: expected (heads, T, T) weights, got {weights.shape}")
    own = weights[:, 0]  # (heads, T)
    colours = [QUERY] + _colours(relevant, own.shape[1] - 1)
    figure = new_figure(8.5, 4.2)
    bars, image = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1.2])
    bars.bar(np.arange(own.shape[1]), own.mean(axis=0), color=colours, width=1.0)
    if relevant is not None:
        marked = 1 + np.flatnonzero(relevant[: own.shape[1] - 1])
        above = own.mean(axis=0)[marked] + 0.04 * own.mean(axis=0).max()
        bars.plot(marked, above, "v", color=RELEVANT, markersize=4)
    bars.axhline(1 / own.shape[1], color="#555555", linewidth=1, linestyle=":")
    bars.set(title="What the query attends to", ylabel="weight, mean of heads")
    drawn = image.imshow(own, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest")
    image.set(xlabel="candidate, in first-round order (0: the query itself)", ylabel="head")
    image.set_yticks(range(len(own)), [str(head + 1) for head in range(len(own))], fontsize=7)
    figure.colorbar(drawn, ax=image, label="weight")
    _legend(figure, relevant)
    return figure


def _colours(relevant: np.ndarray | None, count: int) -> list[str]:
    if relevant is None:
        return [PALE] * count
    return [RELEVANT if r else PALE for r in relevant[:count]]


def _legend(figure: Figure, relevant: np.ndarray | None) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries = {"query": QUERY}
    entries |= {"candidate": PALE} if relevant is None else {}
    entries |= {} if relevant is None else {"relevant": RELEVANT, "not relevant": PALE}
    handles: list[Artist] = [Patch(color=colour, label=name) for name, colour in entries.items()]
    handles.append(Line2D([], [], color="#555555", linestyle=":", label="all alike"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
