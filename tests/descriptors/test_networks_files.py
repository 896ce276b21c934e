"""Files of weights: recognised, read without running them, placed whole, and refused by a line."""

from __future__ import annotations

import argparse
import collections
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from formula import image, tensor
from matlab_files import cells
from published_files import filled, saved, shapes
from safetensors.torch import save_file
from scipy.io import savemat
from scipy.io.matlab import MatlabObject

from gcsa.descriptors.networks import COLUMNS, listed, load_network, tensors
from gcsa.descriptors.networks.body import Weights, place
from gcsa.descriptors.networks.families import FAMILIES, recognised
from gcsa.descriptors.networks.published import PUBLISHED
from gcsa.errors import InputError, MissingFileError

ROOT = Path(__file__).parents[2]
FOUND = {
    "dinov2_vits14": ("dinov2", "DINOv2-S", 384),
    "dinov2_vitb14": ("dinov2", "DINOv2-B", 768),
    "dinov2_vitl14": ("dinov2", "DINOv2-L", 1024),
    "dinov2_vitg14": ("dinov2", "DINOv2-g", 1536),
    "dinov2_vitb14_reg4": ("dinov2", "DINOv2-B with registers", 768),
    "salad": ("salad", "DINOv2-B", 8448),
    "boq_dinov2_12288": ("boq", "DINOv2-B", 12288),
    "boq_resnet50_16384": ("boq", "ResNet50", 16384),
    "cosplace_ResNet50_2048": ("cosplace", "ResNet50", 2048),
    "cosplace_ResNet18_512": ("cosplace", "ResNet18", 512),
    "cosplace_VGG16_512": ("cosplace", "VGG16", 512),
    "megaloc": ("megaloc", "DINOv2-B", 8448),
    "dir_resnet101_rmac": ("dir", "ResNet101", 2048),
    "mixvpr_4096": ("mixvpr", "ResNet50", 4096),
    "mixvpr_512": ("mixvpr", "ResNet50", 512),
    "mixvpr_128": ("mixvpr", "ResNet50", 128),
    "convap_4096": ("convap", "ResNet50", 4096),
    "nanne_vgg16_netvlad": ("pytorch-netvlad", "VGG16", 32768),
    "cirtorch_resnet101_gem_whiten": ("cirtorch", "ResNet101", 2048),
    "cirtorch_vgg16_gem_whiten": ("cirtorch", "VGG16", 512),
}


def test_there_is_a_network_for_every_list_of_tensors():
    assert FOUND.keys() == {n for n in shapes() if not n.startswith("torchvision")}


@pytest.mark.parametrize("network", FOUND)
def test_recognised_and_placed(network):
    """Every name and shape of the project's own network has its place; nothing is computed."""
    own = {k: torch.empty(shape, device="meta") for k, shape in shapes()[network].items()}
    family, backbone, length = FOUND[network]
    assert recognised(own, network) == family
    weights = Weights("file", own)
    with torch.device("meta"):
        body = FAMILIES[family].body(weights)
    place(body, weights)
    assert (body.backbone_name, body.length) == (backbone, length)
    assert set(body.state_dict()) == set(own)
    rows = [r for r in PUBLISHED if (r.family, r.backbone) == (family, backbone)]
    assert any(length in row.lengths for row in rows)


def test_every_family_has_a_row_and_every_row_a_family():
    assert {row.family for row in PUBLISHED} == set(FAMILIES)
    assert all(len(row) == len(COLUMNS) for row in listed())
    assert len({row[0] for row in listed()}) == len(PUBLISHED)
    assert all(row.licence and row.data and row.where for row in PUBLISHED)


def test_the_page_has_the_table_of_today():
    script = [sys.executable, str(ROOT / "scripts" / "network_table.py")]
    printed = subprocess.run(script, capture_output=True, text=True, cwd=ROOT)
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.strip() in (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")


@pytest.fixture
def small() -> dict[str, torch.Tensor]:
    """CosPlace's network with the least layers, of random numbers."""
    return filled("cosplace_ResNet18_512")


def described(path) -> torch.Tensor:
    network = load_network(path)
    return network(network.normalise(image(64, 96)))


def test_layouts_of_one_network_give_the_same(tmp_path, small):
    expected = described(saved(tmp_path / "plain.pth", small))
    old = tmp_path / "old.pth"
    torch.save(small, old, _use_new_zipfile_serialization=False)
    safe = tmp_path / "x.safetensors"
    save_file(small, safe)
    compiled = {f"_orig_mod.module.{k}": v for k, v in small.items()}
    lightning = {
        "state_dict": {f"model.{k}": v for k, v in small.items()},
        "epoch": 7,
        "hyper_parameters": argparse.Namespace(lr=0.1),
        "lr_schedulers": [{"milestones": collections.Counter([5, 10])}],
        "best_score": np.float64(0.5),
    }
    counted = {k: v for k, v in small.items() if not k.endswith("num_batches_tracked")}
    files = [old, safe]
    for name, content in (("c", compiled), ("l", lightning), ("n", counted)):
        files.append(saved(tmp_path / f"{name}.ckpt", content))
    for path in files:
        assert torch.equal(described(path), expected), path


def test_dinov2_as_its_training_leaves_it(tmp_path):
    """The teacher's backbone, beside the heads of its training; here of one small block."""
    narrow = {384: 64, 1152: 192, 1536: 256}
    state = {
        name: tensor(name, tuple(narrow.get(side, side) for side in shape))
        for name, shape in shapes()["dinov2_vits14"].items()
        if not name.startswith("blocks.") or name.startswith("blocks.0.")
    }
    teacher = {f"backbone.{name}": value for name, value in state.items()}
    teacher |= {"dino_head.mlp.weight": torch.ones(2), "ibot_head.mlp.weight": torch.ones(2)}
    plain = load_network(saved(tmp_path / "plain.pth", state))
    trained = load_network(saved(tmp_path / "teacher.pth", {"teacher": teacher}))
    x = torch.rand(1, 3, 28, 42)
    assert plain.length == 64 and torch.equal(plain(x), trained(x))
    assert trained.remarks == ("without the 2 tensors of DINOv2's heads for its training",)


def test_half_precision_is_said(tmp_path, small, caplog):
    halves = {k: v.half() if v.is_floating_point() else v for k, v in small.items()}
    with caplog.at_level(logging.INFO):
        network = load_network(saved(tmp_path / "half.pth", halves))
    assert "stored as torch.float16, computed in float32" in caplog.text
    assert all(p.dtype == torch.float32 for p in network.parameters())
    expected = load_network(saved(tmp_path / "whole.pth", small))
    x = network.normalise(image(64, 96))
    torch.testing.assert_close(network(x), expected(x), rtol=0, atol=2e-3)


def test_what_is_said(tmp_path, small, caplog):
    path, trained = tmp_path / "ResNet18_512_cosplace.pth", {"epoch": 9, "state_dict": small}
    for others, without in (({}, ""), ({"optimizer": {}, "lr": 1}, ", without its lr, optimizer")):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            network = load_network(saved(path, {**trained, **others}))
        assert caplog.messages == [
            f"{path}: CosPlace ResNet18 (ResNet18, 512 numbers); a checkpoint of a training after "
            f"epoch 9{without}; licence: MIT, trained on SF-XL (not for commercial use)"
        ]
    assert network.licence == "MIT, trained on SF-XL (not for commercial use)"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"extra.weight": torch.ones(2)}, "there is no place for extra.weight"),
        ({"backbone.1.bias": None}, "it lacks backbone.1.bias"),
        ({"backbone.1.bias": torch.ones(3)}, r"backbone.1.bias has shape \(3,\), not \(64,\)"),
        ({"aggregation.3.weight": torch.ones(512, 7)}, r"\(512, 7\), not \(512, 512\)"),
    ],
)
def test_every_tensor_has_its_place(tmp_path, small, change, said):
    state = {k: v for k, v in (small | change).items() if v is not None}
    path = saved(tmp_path / "x.pth", state)
    with pytest.raises(InputError, match=rf"x\.pth: does not fit CosPlace: .*{said}"):
        load_network(path)


HTML = b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HTML, "a web page, not weights"),
        (LFS, "a pointer of Git LFS"),
        (b"", "no file of weights"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "an HDF5 file"),
        (b"PK\x03\x04 cut", "expected a whole pickle"),
        (b"\x10\0\0\0\0\0\0\0{not json at all", "expected a safetensors file"),
        (b"MATLAB 5.0 MAT-file" + b" " * 200, "expected a NetVLAD network of MatConvNet"),
        (pickle.dumps([1, 2]), "no dictionary of tensors, it has list"),
        (pickle.dumps({"a": 1, "b": 2}), "no dictionary of tensors, it has a, b"),
    ],
)
def test_what_is_no_file_of_weights(tmp_path, content, said):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"weights\.pth: .*{said}") as error:
        load_network(path)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(MissingFileError, match="no such file of weights"):
        load_network(tmp_path / "none.pth")


def test_objects_of_matlab_classes(tmp_path):
    thing = MatlabObject(np.array([[(1.0, "x")]], dtype=[("a", "O"), ("b", "O")]), "layerVLAD")
    for name, net in (("inside", {"layers": cells({"type": "conv"}, thing)}), ("whole", thing)):
        path = tmp_path / f"{name}.mat"
        savemat(path, {"net": net})
        with pytest.raises(InputError, match="MATLAB classes.*Pitts30K_struct.mat"):
            load_network(path)


def test_a_classifier_is_no_descriptor_network(tmp_path):
    state = {k: tensor(k, s) for k, s in shapes()["torchvision_resnet18"].items()}
    with pytest.raises(InputError, match="a classifier of images"):
        load_network(saved(tmp_path / "resnet18.pth", state))
    with pytest.raises(InputError, match=r"its tensors are a \.\.\.; known are hloc-netvlad"):
        load_network(saved(tmp_path / "x.pth", {"a": torch.ones(1)}))


class Harmful:
    def __reduce__(self):
        return os.system, ("touch ran",)


def test_nothing_of_a_file_is_run(tmp_path, small, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "x.ckpt", {"state_dict": small, "callbacks": Harmful()})
    with pytest.raises(InputError, match=r"refused, the pickle asks for posix\.system"):
        load_network(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("mean", ["red", [1.0, 2.0], {"a": 1}])
def test_a_mean_colour_that_is_none(tmp_path, small, mean):
    path = saved(tmp_path / "x.ckpt", {"state_dict": small, "mean": mean})
    with pytest.raises(InputError, match=r"x\.ckpt: .*expected the tensors of a network") as error:
        load_network(path)
    assert "\n" not in str(error.value)


def test_a_depth_that_only_a_name_says(tmp_path):
    """A network has no more blocks than its file has tensors."""
    state = {"cls_token": torch.ones(1, 1, 64), "pos_embed": torch.ones(1, 5, 64)}
    state |= {"blocks.0.ls1.gamma": torch.ones(64), "blocks.999999999.ls1.gamma": torch.ones(64)}
    with pytest.raises(InputError, match="does not fit ClassToken: it lacks"):
        load_network(saved(tmp_path / "x.pth", state))


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_as_torch_reads_them(tmp_path, zipped):
    x = torch.randn(4, 5)
    kinds = ("half", "bfloat16", "double", "int", "long", "bool", "short", "char", "byte")
    content = {kind: getattr(x, kind)() for kind in kinds}
    content |= {"view": x[1:3, 2:], "t": x.t(), "none": torch.empty(0, 3), "one": torch.tensor(3)}
    content["parameter"] = torch.nn.Parameter(x)
    path = tmp_path / "x.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    found = tensors.load(path)
    assert found.keys() == content.keys()
    for name, value in content.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value), name


class Old:
    """A tensor as torch wrote it before 0.4."""

    def __init__(self, x):
        self.x = x

    def __reduce__(self):
        raw = self.x.untyped_storage()
        storage = torch.storage.TypedStorage(wrap_storage=raw, dtype=self.x.dtype, _internal=True)
        return torch._utils._rebuild_tensor, (storage, 0, (2, 3), (3, 1))


def test_tensors_of_old_files(tmp_path):
    x = torch.arange(6.0).reshape(2, 3)
    torch.save({"a": Old(x)}, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(tensors.load(tmp_path / "x.pt")["a"], x)


def test_a_tensor_does_not_reach_beyond_its_numbers(tmp_path):
    """A file may say any shape; what lies behind the numbers in memory is not shown."""
    path = tmp_path / "x.pt"
    content = {"a": torch.arange(6.0).reshape(2, 3)}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    shape = pickle.dumps((2, 3), 2)[2:7]
    assert data.count(shape) == 1
    path.write_bytes(data.replace(shape, pickle.dumps((9, 3), 2)[2:7]))
    with pytest.raises(InputError, match="reaches beyond its numbers"):
        tensors.load(path)


def test_a_tensor_has_no_more_numbers_than_its_file(tmp_path):
    """One number, said to be a billion: it would take gigabytes when it is copied."""
    path = tmp_path / "x.pt"
    torch.save({"a": torch.ones(1).half().expand(10**9)}, path)
    with pytest.raises(InputError, match="reaches beyond its numbers"):
        load_network(path)
