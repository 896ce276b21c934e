"""CSA's network and loss: known answers of the published code, plain NumPy, padding, chance."""

import numpy as np
import pytest
import torch
from scipy.special import erf

from gcsa.errors import InputError
from gcsa.losses import ContrastiveLoss
from gcsa.models.csa import CSA
from gcsa.models.csa_loss import reconstruction_loss
from gcsa.models.gcsa import scores

# What the published code yields for the network of `golden` and the list of `fan`.
SCORES = [1, 0.997717, 0.984015, 0.957160, 0.906436, 0.851089, 0.770757, 0.757361]
EXPONENTIALS = [1.648721, 1.646840, 1.635596, 1.613781, 1.573367, 1.530424, 1.470170, 1.460356]
RECONSTRUCTION, CONTRASTIVE = 1.340686, 0.653357
NAMES = ["topk_proj", "feature_align.layers.0"] + [
    f"blocks.{i}.{layer}"
    for i in range(2)
    for layer in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
]


def small(**changes):
    sizes = {"input_dim": 2, "output_dim": 8, "K": 7, "L": 5, "num_layers": 2, "num_heads": 2}
    return CSA(**{**sizes, "mlp_dim": 32, **changes}).eval()


def golden():
    """Tensor i, element n is 0.1 sin(n + 1 + i); weights of norms are that plus 1."""
    model, state = small(), {}
    own = model.state_dict()
    for number, name in enumerate(f"{n}.{part}" for n in NAMES for part in ("weight", "bias")):
        values = 0.1 * torch.sin(torch.arange(own[name].numel()) + 1.0 + number)
        norm = "norm" in name and name.endswith("weight")
        state[name] = values.view(own[name].shape) + (1 if norm else 0)
    assert list(state) == list(own), "names in the order of the published file"
    model.load_state_dict(state)
    return model


def fan():
    """A list of 2-d unit descriptors (1, 8, 2), the query first."""
    angles = torch.deg2rad(torch.tensor([0.0, 10, 25, 40, 60, 80, 120, 150]))
    return torch.stack([angles.cos(), angles.sin()], dim=1)[None]


def test_golden_values():
    model, listed = golden(), fan()
    found = scores(model(listed))
    np.testing.assert_allclose(found[0].detach(), SCORES, atol=1e-6)
    np.testing.assert_allclose((found[0] / 2).exp().detach(), EXPONENTIALS, atol=2e-6)
    refined, distance = model.reconstruct(listed)
    assert distance.item() == pytest.approx(RECONSTRUCTION, abs=1e-6)
    torch.testing.assert_close(refined, model(listed))
    labels = torch.arange(8)[None] < 4
    assert ContrastiveLoss()(found, labels).item() == pytest.approx(CONTRASTIVE, abs=1e-6)


def test_the_loss_alone():
    cosines = torch.deg2rad(torch.tensor([[0.0, 30, 90, 180]])).cos()
    labels = torch.tensor([[True, True, False, False]])
    assert ContrastiveLoss()(cosines, labels).item() == pytest.approx(0.407807, abs=1e-6)


def in_numpy(model, listed):
    """The network of A to Z in loops over heads, float64: unit rows, rows and affinity."""
    w = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    rows = listed.double().numpy()
    affinity = rows[: 1 + model.K] @ rows[: 1 + model.L].T

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)

    def norm(x, name):
        centred = x - x.mean(1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    x, size = linear(affinity, "topk_proj"), model.output_dim // model.num_heads
    for b in range(model.num_layers):
        qkv, mixed = linear(norm(x, f"blocks.{b}.norm1"), f"blocks.{b}.attn.qkv"), []
        q, k, v = np.split(qkv, 3, axis=1)
        for h in range(model.num_heads):
            part = slice(h * size, (h + 1) * size)
            weights = np.exp(q[:, part] @ k[:, part].T / np.sqrt(size))
            mixed.append(weights / weights.sum(1, keepdims=True) @ v[:, part])
        x = x + linear(np.concatenate(mixed, axis=1), f"blocks.{b}.attn.proj")
        hidden = linear(norm(x, f"blocks.{b}.norm2"), f"blocks.{b}.mlp.fc1")
        x = x + linear(hidden * (1 + erf(hidden / np.sqrt(2))) / 2, f"blocks.{b}.mlp.fc2")
    return x / np.linalg.norm(x, axis=1, keepdims=True), x, affinity


@pytest.mark.parametrize("changes", [{}, {"K": 3}, {"qkv_bias": False, "num_heads": 4}])
def test_by_definition(changes):
    torch.manual_seed(1)
    model = small(**changes)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.copy_(torch.randn(tensor.shape) / 2)
    unit, rows, affinity = in_numpy(model, fan()[0])
    np.testing.assert_allclose(model(fan())[0].detach(), unit, atol=1e-5)
    again = rows @ model.feature_align.layers[0].weight.detach().double().numpy().T
    again += model.feature_align.layers[0].bias.detach().double().numpy()
    a, r = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (affinity, again))
    expected = np.linalg.norm(a - r, axis=1).mean()
    assert model.reconstruct(fan())[1].item() == pytest.approx(expected, abs=1e-5)


def test_published_sizes():
    sizes = {"input_dim": 2048, "output_dim": 768, "K": 511, "L": 511, "num_layers": 2}
    counts = [
        sum(p.numel() for p in CSA(**sizes, num_heads=12, mlp_dim=3072, **head).parameters())
        for head in ({}, {"reconstructs": False})
    ]
    assert counts == [14_963_456, 14_569_728]


def test_weights_at_the_start():
    model = small(output_dim=256, mlp_dim=1024)
    for name, tensor in model.named_parameters():
        expected = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        if tensor.ndim == 1:
            assert (tensor == expected).all(), name
        else:
            assert tensor.std().item() == pytest.approx(0.02, rel=0.1), name


def test_another_number_of_candidates():
    """K is no part of the network; what is beyond it changes nothing."""
    model, listed = golden(), torch.cat([fan(), fan().flip(1)[:, :4]], dim=1)
    model.K = 4
    few = model(listed)
    torch.testing.assert_close(few, model(torch.cat([listed[:, :6], 0 * listed[:, 6:]], 1)))
    model.K = 11
    assert model(listed).shape == (1, 12, 8) and few.shape == (1, 5, 8)


def test_candidates_that_are_no_anchors_may_change_places():
    model, listed = golden(), fan()
    swapped = listed[:, [0, 1, 2, 3, 4, 5, 7, 6]]
    torch.testing.assert_close(model(swapped)[:, [7, 6]], model(listed)[:, [6, 7]])
    anchors = listed[:, [0, 2, 1, 3, 4, 5, 6, 7]]
    assert (scores(model(anchors))[0, 7] - scores(model(listed))[0, 7]).abs() > 1e-4


@pytest.mark.parametrize("count", [1, 3, 6])
def test_what_stands_in_padding_changes_nothing(count):
    """Also in the loss and its gradients; ``count`` candidates of 7 are there."""
    model, listed = golden(), fan().repeat(2, 1, 1)
    valid = (torch.arange(7) < count).expand(2, 7)
    found = []
    for fill in (0.0, 3.0):
        padded = listed.clone()
        padded[:, 1 + count :] = fill
        model.zero_grad()
        refined, distance = model.reconstruct(padded, valid)
        labels = torch.arange(8).expand(2, 8) < 2
        keep = torch.nn.functional.pad(valid, (1, 0), value=True)
        loss = ContrastiveLoss()(scores(refined), labels, keep) + distance
        loss.backward()
        found.append((refined[:, : 1 + count], loss, [p.grad for p in model.parameters()]))
    torch.testing.assert_close(found[0], found[1])
    if count >= model.L:  # no anchor is missing: as a shorter list
        model.K = count
        torch.testing.assert_close(found[0][0], model(listed[:, : 1 + count]))


def test_reconstruction_by_loops():
    random = np.random.default_rng(0)
    affinity, again = random.normal(size=(2, 2, 5, 4))
    again[0, 0], again[0, 1] = 3 * affinity[0, 0], -affinity[0, 1]
    keep = random.random((2, 5)) < 0.7
    keep[0, :2] = True
    distances = {
        (b, t): np.linalg.norm(a / np.linalg.norm(a) - r / np.linalg.norm(r))
        for b in range(2)
        for t, (a, r) in enumerate(zip(affinity[b], again[b], strict=True))
    }
    assert distances[0, 0] < 1e-9 and distances[0, 1] == pytest.approx(2)
    distances[0, 0] = 0.01  # the bound below
    tensors = torch.tensor(affinity), torch.tensor(again)
    expected = np.mean(list(distances.values()))
    assert reconstruction_loss(*tensors).item() == pytest.approx(expected, abs=1e-6)
    kept = np.mean([value for place, value in distances.items() if keep[place]])
    found = reconstruction_loss(*tensors, torch.tensor(keep))
    assert found.item() == pytest.approx(kept, abs=1e-6)


def test_gradients_are_finite_where_rows_are_equal_or_zero():
    affinity = torch.eye(3)[None].repeat(2, 1, 1)
    again = affinity.clone()
    again[1] = 0
    again.requires_grad_()
    reconstruction_loss(affinity, again).backward()
    assert torch.isfinite(again.grad).all()


def test_stochastic_depth():
    """Whole queries skip a half of a layer, at a rate that rises from 0; the mean stays."""
    model = small(num_layers=3, path_dropout_p=0.4)
    assert [block.path_p for block in model.blocks] == pytest.approx([0, 0.2, 0.4])
    block, branch = model.blocks[2], torch.ones(20_000, 2, 3)
    assert block._path(branch) is branch
    torch.manual_seed(0)
    dropped = block.train()._path(branch)
    assert (dropped.view(len(dropped), -1) == dropped[:, :1, 0]).all()
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert (dropped[:, 0, 0] == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert torch.equal(model.blocks[0].train()._path(branch), branch)


@pytest.mark.parametrize("name", ["dropout_p", "attn_dropout_p", "path_dropout_p"])
def test_chance_is_for_training_alone(name):
    torch.manual_seed(0)
    model, listed = small(**{name: 0.5}), fan().repeat(30, 1, 1)
    assert torch.equal(model(listed), model(listed))
    model.train()
    assert not torch.equal(model(listed), model(listed))


def test_where_dropout_is(monkeypatch):
    """On the affinity and its layer; in a layer behind attention and both parts of the MLP."""
    seen = []
    monkeypatch.setattr(
        "gcsa.models.csa.dropout", lambda x, p, training: seen.append((*x.shape[1:], p)) or x
    )
    small(dropout_p=0.3, attn_dropout_p=0.2, num_layers=1)(fan())
    assert seen == [(8, 6, 0.3), (8, 8, 0.3), (8, 8, 0.3), (8, 32, 0.3), (8, 8, 0.3)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_layers": 0}, "model.num_layers: CSA has at least 1"),
        ({"num_heads": 3}, "model.output_dim 8 is not a multiple of model.num_heads 3"),
        ({"L": 0}, "model.K and model.L must be at least 1, got 7 and 0"),
    ],
)
def test_sizes_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        small(**changes)
