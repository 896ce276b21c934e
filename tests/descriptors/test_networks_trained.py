"""Networks that have no file yet: made by head and backbone, written, and read as any other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from formula import tensor

from gcsa.descriptors.networks import load_network
from gcsa.descriptors.networks.body import Weights
from gcsa.descriptors.networks.heads import HEADS, Sizes, new_body, start_from
from gcsa.descriptors.networks.network import Network
from gcsa.descriptors.networks.preprocessing import IMAGENET, Normalise, Resize
from gcsa.descriptors.networks.trained import content_of
from gcsa.errors import InputError

# Head, backbone, length asked for, size, length of a descriptor.
MADE = [
    ("netvlad", "resnet18", 1, (64, 96), 4 * 16),
    ("netvlad", "efficientnet-lite0", 1, (64, 96), 4 * 1280),
    ("cosplace", "resnet50", 24, (64, 96), 24),
    ("cosplace", "efficientnet-lite0", 24, (64, 96), 24),
    ("cirtorch", "vgg16", 24, (64, 96), 24),
    ("dir", "resnet18", 24, (64, 96), 24),
    ("convap", "resnet18", 24, (64, 96), 24),
    ("mixvpr", "resnet18", 24, (64, 64), 24),
    ("boq", "resnet18", 2048, (64, 96), 2048),
]
NORMALISE = Normalise((127.0, 127.0, 127.0), (128.0, 128.0, 128.0), 255.0)


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """ResNets of few channels."""
    monkeypatch.setattr("gcsa.descriptors.networks.resnet.WIDTHS", (8, 8, 16, 16))


def made(head, backbone, length, size, normalise=IMAGENET):
    torch.manual_seed(0)
    body, prefix = new_body(head, backbone, Sizes(length, 4, size))
    resize = Resize(exactly=size)
    return Network(body, "n", head, "mine", resize, normalise).eval(), prefix


@pytest.mark.parametrize(("head", "backbone", "asked", "size", "length"), MADE)
def test_what_is_written_is_read(head, backbone, asked, size, length, tmp_path):
    network, _ = made(head, backbone, asked, size, NORMALISE)
    assert network.length == length
    path = tmp_path / "network.pth"
    torch.save(content_of(network), path)
    read = load_network(path)
    assert (read.name, read.licence, read.resizing) == ("n", "mine", network.resizing)
    images = torch.rand(2, 3, 70, 100)
    with torch.no_grad():
        x = network.normalise(network.resize(images))
        expected = network(x)
        torch.testing.assert_close(read(read.normalise(read.resize(images))), expected)
    assert torch.isfinite(expected).all() and expected.std(dim=0).max() > 1e-5
    torch.testing.assert_close(expected.norm(dim=1), torch.ones(2))


def test_the_whitening_is_part_of_the_file(tmp_path):
    network, _ = made("cosplace", "resnet18", 24, (64, 64))
    random = np.random.default_rng(0)
    mean, axes = (torch.tensor(random.normal(size=s), dtype=torch.float32) for s in (24, (5, 24)))
    x = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        plain = network(x)
        network.whiten((mean, axes))
        expected = (plain - mean) @ axes.T
        expected /= expected.norm(dim=1, keepdim=True)
        torch.save(content_of(network), tmp_path / "network.pth")
        torch.testing.assert_close(load_network(tmp_path / "network.pth")(x), expected)
        raw = load_network(tmp_path / "network.pth", whiten=False)
        torch.testing.assert_close(raw(x), plain)
    content = content_of(network)
    content["gcsa_whitening"]["mean"] = mean[:3]
    torch.save(content, tmp_path / "broken.pth")
    with pytest.raises(InputError, match=r"broken.pth: its whitening takes \(5, 24\)"):
        load_network(tmp_path / "broken.pth")


def backbone_of(head, backbone):
    """The backbone's tensors as torchvision names them, filled by the formula."""
    body, prefix = new_body(head, backbone, Sizes(24, 4, (64, 64)))
    inside = {n.removeprefix(prefix): t for n, t in body.state_dict().items() if prefix in n}
    return {name: tensor(name, tuple(t.shape)) for name, t in inside.items()}


@pytest.mark.parametrize(
    ("head", "named_by", "prefix"),
    [
        ("cosplace", "convap", ""),  # numbers from torchvision's names
        ("convap", "cosplace", "backbone."),  # and back, from CosPlace's file
        ("netvlad", "cosplace", "backbone."),
        ("dir", "convap", ""),
    ],
)
def test_a_backbone_finds_its_place(head, named_by, prefix, tmp_path):
    """ResNets are named, or numbered; both find their way into either."""
    tensors = {f"{prefix}{k}": v for k, v in backbone_of(named_by, "resnet18").items()}
    tensors["fc.weight"] = torch.zeros(1000, 16)  # ImageNet's classifier
    network, own = made(head, "resnet18", 24, (64, 64))
    assert start_from(network.body, own, Weights(tmp_path, tensors)) == "its backbone"
    expected = sorted(float(v.double().sum()) for k, v in tensors.items() if "fc." not in k)
    state = network.body.state_dict()
    heads = ("aggreg", "pool.", "fc.", "adpool")
    found = sorted(float(v.double().sum()) for k, v in state.items() if not k.startswith(heads))
    np.testing.assert_allclose(found, expected)


def test_other_files_are_refused(tmp_path):
    network, prefix = made("cosplace", "resnet18", 24, (64, 64))
    with pytest.raises(InputError, match=r"neither this network nor its backbone \(ResNet18\)"):
        start_from(network.body, prefix, Weights(tmp_path, {"a": torch.zeros(1)}))
    wide = {
        k: torch.zeros(7, *v.shape[1:])
        for k, v in backbone_of("cosplace", "resnet18").items()
        if v.ndim
    }
    with pytest.raises(InputError, match=r"has shape \(7, .*, not \("):
        start_from(network.body, prefix, Weights(tmp_path, wide))


def test_every_head_has_a_backbone_it_stands_on():
    assert {head for head, *_ in MADE} | {"salad"} == set(HEADS)
    with pytest.raises(InputError, match="descriptor.length: 2 is too short for convap"):
        new_body("convap", "resnet18", Sizes(2, 4, (64, 64)))
    for head, backbone, asked, has in (
        ("convap", "resnet18", 27, 24),
        ("boq", "resnet18", 3000, 2048),
        ("salad", "dinov2-s", 303, 300),
    ):
        with pytest.raises(InputError, match=f"descriptor.length: {asked}, but {head} .* {has}"):
            new_body(head, backbone, Sizes(asked, 4, (64, 64)))


def test_salad_from_shapes():
    torch.manual_seed(0)
    body, _ = new_body("salad", "dinov2-s", Sizes(256 + 4 * 8, 4, (42, 42)))
    with torch.no_grad():
        found = body.eval()(torch.rand(2, 3, 42, 42))
    assert found.shape == (2, 288) and torch.isfinite(found).all()
