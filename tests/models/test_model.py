"""The network: against torch's own layers, and what padding and order may and may not change."""

import pytest
import torch
from reference_model import ReferenceGCSA

from gcsa.errors import InputError
from gcsa.models.gcsa import GCSA, scores

B, D0 = 3, 24


def sizes(K=9, L=6, layers=2, columns=6 + 7, **changes):
    return {
        "input_dim": D0, "proj_dim": 16, "output_dim": 32, "K": K, "L": L, "num_layers": layers,
        "num_heads": 4, "aff_dim": columns, "input_dropout_p": 0.3, "attn_dropout_p": 0.3,
        **changes,
    }  # fmt: skip


def inputs(N, seed=0, kinds=True):
    generator = torch.Generator().manual_seed(seed)
    desc = torch.nn.functional.normalize(torch.randn(B, 1 + N, D0, generator=generator), dim=-1)
    among = torch.rand(B, N, N, generator=generator) * 2 - 1
    with_query = torch.rand(B, 1 + N, 1 + N, generator=generator) * 2 - 1
    return desc, [among, with_query] if kinds else []


def make(**changes):
    torch.manual_seed(1)
    model = GCSA(**sizes(**changes)).eval()
    with torch.no_grad():  # untrained biases and norms are trivial: give each a value of its own
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(("K", "L"), [(9, 6), (6, 9), (7, 7)])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_equals_the_reference(K, L, layers):
    changes = {"K": K, "L": L, "layers": layers, "columns": 2 * L + 1}
    model = make(**changes)
    reference = ReferenceGCSA(**sizes(**changes)).eval()
    reference.load_state_dict(model.state_dict())  # strict: the names are the interface
    desc, affinities = inputs(max(K, L))
    refined = model(desc, affinities)
    assert refined.shape == (B, 1 + K, 32 if layers else 16)
    torch.testing.assert_close(refined, reference(desc, affinities), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(refined.norm(dim=-1), torch.ones(B, 1 + K))


def test_parameter_names_are_the_published_ones():
    names = set(make(layers=1).state_dict())
    layer = "attn_norm attn.in_proj attn.out_proj mlp_norm mlp.0 mlp.2".split()
    expected = {f"layers.0.{n}{'_' if n.endswith('in_proj') else '.'}{p}"
                for n in layer for p in ("weight", "bias")}  # fmt: skip
    expected |= {f"{n}.{p}" for n in ("input_proj", "affinity_proj") for p in ("weight", "bias")}
    assert names == expected
    assert set(make(layers=0).state_dict()) == {"input_proj.weight", "input_proj.bias"}
    assert not set(make(layers=0, proj_dim=D0).state_dict())
    assert "affinity_proj.weight" not in make(layers=1, columns=25).state_dict()


def test_ready_columns_equal_whole_matrices():
    model = make()
    desc, affinities = inputs(9)
    columns = model.columns_of(affinities)
    assert columns.shape == (B, 10, 13) and not columns[:, 0, :6].any()
    torch.testing.assert_close(columns[:, 1:, :6], affinities[0][:, :9, :6])
    torch.testing.assert_close(columns[:, :, 6:], affinities[1][:, :10, :7])
    torch.testing.assert_close(model(desc, columns=columns), model(desc, affinities))


def test_padded_entries_change_no_score():
    model = make(K=9, L=7, columns=7 + 8)
    desc, affinities = inputs(9)
    valid = torch.ones(B, 9, dtype=torch.bool)
    valid[0, 5:], valid[1, 8:] = False, False
    columns = model.columns_of(affinities)
    seen = torch.nn.functional.pad(valid, (1, 0), value=True)
    columns = columns * seen[:, :, None]
    columns[:, :, :7] *= valid[:, None, :7]
    columns[:, :, 7:] *= seen[:, None, :8]
    expected = scores(model(desc, columns=columns, valid=valid))
    other = torch.where(seen[..., None], desc, 7.0)
    changed = scores(model(other, columns=columns, valid=valid))
    torch.testing.assert_close(changed[seen], expected[seen])
    # The third list is whole: it must not notice that others are padded.
    alone = scores(model(desc[2:], columns=columns[2:]))
    torch.testing.assert_close(alone[0], expected[2], atol=1e-6, rtol=1e-5)


def test_a_padded_list_equals_a_short_one():
    """A query with 5 candidates scores them as a model with K = 5 does, anchors being equal."""
    long, short = make(K=9, L=4, columns=4 + 5), make(K=5, L=4, columns=4 + 5)
    short.load_state_dict(long.state_dict())
    desc, affinities = inputs(9)
    columns = long.columns_of(affinities)
    valid = torch.zeros(B, 9, dtype=torch.bool)
    valid[:, :5] = True
    padded = scores(long(desc, columns=columns, valid=valid))[:, :6]
    whole = scores(short(desc[:, :6], columns=columns[:, :6]))
    torch.testing.assert_close(padded, whole, atol=1e-6, rtol=1e-5)


def test_candidates_that_are_no_anchors_are_a_set():
    model = make(K=9, L=4, columns=4 + 5)
    desc, affinities = inputs(9)
    order = torch.tensor([0, 1, 2, 3, 8, 6, 7, 5, 4])
    rows = torch.cat([torch.zeros(1, dtype=torch.long), 1 + order])
    columns = model.columns_of(affinities)
    expected = scores(model(desc, columns=columns))[:, rows]
    torch.testing.assert_close(scores(model(desc[:, rows], columns=columns[:, rows])), expected)
    anchors = torch.tensor([0, 2, 1, *range(3, 10)])
    swapped = scores(model(desc[:, anchors], columns=columns[:, anchors]))
    assert not torch.allclose(swapped, scores(model(desc, columns=columns))[:, anchors])


def test_dropout_is_for_training_alone():
    model = make()
    desc, affinities = inputs(9)
    torch.testing.assert_close(model(desc, affinities), model(desc, affinities))
    model.train()
    assert not torch.allclose(model(desc, affinities), model(desc, affinities))


def test_gradients_reach_every_parameter():
    model = make()
    scores(model(*inputs(9))).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("changes", [{"K": 0}, {"L": 0}, {"num_heads": 5}])
def test_impossible_sizes(changes):
    with pytest.raises(InputError, match="model\\."):
        GCSA(**{**sizes(), **changes})
