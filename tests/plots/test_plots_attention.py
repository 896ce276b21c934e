"""Attention weights against torch's own attention layer, and the matrices that are drawn."""

import numpy as np
import pytest
import torch
from conftest import SMALL, overrides
from matplotlib.colors import to_hex
from test_plots import assert_in_order
from torch import nn
from worlds import write_world

from gcsa import plots
from gcsa.config import load_config
from gcsa.datasets.readers import reader
from gcsa.errors import InputError
from gcsa.models.gcsa import GCSA, scores
from gcsa.plots.style import ALIKE, OPPOSITE, PALE, QUERY, RELEVANT
from gcsa.ranking.refine import refine
from gcsa.ranking.retrieval import retrieve
from gcsa.sideinfo.affinity import SideInformation

KINDS = ["positional-db", "heading"]
K, L, D = 7, 5, 12


def model_of(num_layers=2, input_dim=D, **dropout):
    torch.manual_seed(0)
    columns = L + (1 + L)
    model = GCSA(input_dim, D, 16, K, L, num_layers, 4, columns, **dropout)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def inputs(valid=None):
    random = torch.Generator().manual_seed(1)
    projected = nn.functional.normalize(torch.randn(3, 1 + K, D, generator=random), dim=-1)
    return projected, torch.rand(3, 1 + K, L + 1 + L, generator=random), valid


def by_torch(model, projected, columns, valid):
    """The same weights from torch's MultiheadAttention, layer by layer."""
    with torch.no_grad():
        visual = projected[:, : 1 + K] @ projected[:, : 1 + L].transpose(1, 2)
        seen = torch.ones(len(projected), 1 + K, dtype=torch.bool)
        if valid is not None:
            seen[:, 1:] = valid
        x = model.affinity_proj(torch.cat([visual * seen[:, None, : 1 + L], columns], -1))
        weights = []
        for layer in model.layers:
            theirs = nn.MultiheadAttention(16, 4, batch_first=True)
            theirs.load_state_dict(layer.attn.state_dict())
            h = layer.attn_norm(x)
            mixed, w = theirs(h, h, h, key_padding_mask=~seen, average_attn_weights=False)
            x = x + mixed
            x = x + layer.mlp(layer.mlp_norm(x))
            weights.append(w)
    return torch.stack(weights)


@pytest.mark.parametrize("padded", [False, True])
def test_weights_are_those_of_torch(padded):
    valid = torch.ones(3, K, dtype=torch.bool)
    if padded:
        valid[1, 4:] = False
        valid[2, :] = False  # the query attends to itself alone
    model = model_of(attn_dropout_p=0.5)
    arguments = inputs(valid)
    weights = plots.attention(model, *arguments)
    assert weights.shape == (2, 3, 4, 1 + K, 1 + K)
    torch.testing.assert_close(weights, by_torch(model, *arguments), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 4, 1 + K))
    if padded:
        assert (weights[:, 1, :, :, 5:] == 0).all() and (weights[:, 2, :, :, 0] == 1).all()


def test_the_model_is_left_as_it_was():
    model = model_of(input_dropout_p=0.5, attn_dropout_p=0.5).train()
    one, two = (plots.attention(model, *inputs()) for _ in range(2))
    assert model.training and torch.equal(one, two)
    assert not any(layer.attn._forward_pre_hooks for layer in model.layers)
    with pytest.raises(RuntimeError):  # wrong width: the hooks go all the same
        plots.attention(model, inputs()[0], inputs()[1][:, :, :3])
    assert not any(layer.attn._forward_pre_hooks for layer in model.layers) and model.training
    with pytest.raises(InputError, match="no transformer layer"):
        plots.attention(model_of(num_layers=0), *inputs())


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    root = tmp_path_factory.mktemp("city")
    world = {**write_world(root, {"cph": "train_val"}, database=6, queries=5), **SMALL}
    config = load_config(None, overrides(world))
    scene, _ = reader(config.data).read(config.data, "cph", "val")
    candidates = retrieve(scene, K)  # six images: the lists are padded
    return scene, candidates, SideInformation(scene, KINDS, config.fov)


@pytest.mark.parametrize("query", [0, 4])
def test_inputs_are_what_re_ranking_reads(city, query):
    scene, candidates, side = city
    model = model_of(input_dim=32, input_dropout_p=0.3).train()
    got = plots.inputs_of(model, scene, candidates, side, query)
    assert model.training and not got.valid.all()
    with torch.no_grad():
        cosines = scores(model.eval().refine(got.projected, got.columns, got.valid))[0, 1:]
    refined = refine(model, scene, candidates, side)
    order = torch.argsort(-cosines[:6], stable=True).numpy()
    assert refined.indices[query, :6].tolist() == candidates.indices[query, order].tolist()
    np.testing.assert_allclose(refined.scores[query, :6], cosines[order], atol=1e-5)


def test_blocks_are_the_matrices_that_the_model_cuts():
    model, N = model_of(), max(K, L)
    random = np.random.default_rng(2)
    db = random.uniform(-1, 1, (1, N, N)).astype(np.float32)
    both = random.uniform(-1, 1, (1, 1 + N, 1 + N)).astype(np.float32)
    columns = model.columns_of([torch.from_numpy(db), torch.from_numpy(both)])[0].numpy()
    projected = random.normal(size=(1 + N, D)).astype(np.float32)
    blocks = plots.affinity_blocks(KINDS, L, projected, columns)
    assert list(blocks) == ["visual", *KINDS]
    np.testing.assert_array_equal(blocks["positional-db"], db[0, :K, :L])
    np.testing.assert_array_equal(blocks["heading"], both[0, : 1 + K, : 1 + L])
    for i in range(1 + K):
        for j in range(1 + L):
            assert blocks["visual"][i, j] == pytest.approx(projected[i] @ projected[j], abs=1e-5)
    with pytest.raises(InputError, match="make 11, got 10"):
        plots.affinity_blocks(KINDS, L, projected, columns[:, :-1])


def test_affinity_images_share_one_scale():
    matrices = {"visual": np.eye(4, 3), "heading": -np.ones((5, 2))}
    figure = plots.affinity_images(matrices)
    one, two, bar = figure.axes
    assert (one.get_title(loc="left"), two.get_title(loc="left")) == ("visual", "heading")
    assert all(axes.images[0].get_clim() == (-1, 1) for axes in (one, two))
    np.testing.assert_array_equal(one.images[0].get_array(), matrices["visual"])
    assert bar.get_ylim() == (-1, 1)
    shown = [to_hex(one.images[0].cmap((value + 1) / 2)) for value in (-1, 0, 1)]
    assert shown == [OPPOSITE, "#ffffff", ALIKE]
    assert_in_order(figure)
    with pytest.raises(InputError, match="no matrix"):
        plots.affinity_images({})


def test_bars_are_the_mean_of_the_heads():
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=(3, 5))
    figure = plots.attention_bars(weights, np.array([True, False, False, True]))
    bars, image, _ = figure.axes
    heights = [bar.get_height() for bar in bars.patches]
    assert heights == pytest.approx([sum(weights[h, 0, j] for h in range(3)) / 3 for j in range(5)])
    colours = [to_hex(bar.get_facecolor()) for bar in bars.patches]
    assert colours == [QUERY, RELEVANT, PALE, PALE, RELEVANT]
    np.testing.assert_array_equal(image.images[0].get_array(), weights[:, 0])
    assert_in_order(figure)
    assert_in_order(plots.attention_bars(weights))
    with pytest.raises(InputError, match=r"got \(5, 5\)"):
        plots.attention_bars(weights[0])
