"""Weights of networks, as small as they may be, and the journal of an extraction."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from random import Random

import mutations
import numpy as np
import torch
from safetensors.torch import save_file
from scipy.io import savemat

from gcsa.descriptors.extraction.journal import CHECK, HEAD, Journal

WIDTH = 64  # of the least of transformers: one head
TENSORS = {"a.weight": torch.eye(4), "a.bias": torch.ones(2, 2).bfloat16(), "n": torch.tensor(3)}
ABOUT, LENGTH, DTYPE = {"network": "x"}, 8, "<f4"


def zipped(path: Path) -> None:
    content = {"state_dict": TENSORS, "epoch": 3, "mean": [0.5, 0.5, 0.5], "lr": np.float64(0.1)}
    torch.save(content, path / "w.pth")


def old(path: Path) -> None:
    torch.save(TENSORS, path / "w.pth", _use_new_zipfile_serialization=False)


def safetensors(path: Path) -> None:
    save_file(TENSORS, path / "w.safetensors")


def matlab(path: Path) -> None:
    """MatConvNet's structs with two filters of one colour, two clusters and a whitening."""
    random = np.random.default_rng(0)
    weights: dict[int, list[np.ndarray]] = {
        0: [random.random((3, 3, 1, 2)), np.zeros((2, 1))],
        30: [random.random((1, 1, 2, 2)), random.random((1, 1, 2, 2))],
        33: [random.random((1, 1, 4, 3)), np.zeros((3, 1))],
    }
    layers = [{"type": "conv", "weights": _cells(weights.get(n, []))} for n in range(35)]
    image = np.full((2, 2, 3), 120.0)
    net = {"layers": _cells(layers), "meta": {"normalization": {"averageImage": image}}}
    savemat(path / "w.mat", {"net": net})


def _cells(values: list) -> np.ndarray:
    made = np.empty((1, len(values)), dtype=object)
    for place, value in enumerate(values):
        made[0, place] = value
    return made


def transformer(path: Path) -> None:
    """DINOv2's tensors of one block, with what a training has beside them."""
    block = {
        "norm1.weight": (WIDTH,), "norm1.bias": (WIDTH,), "attn.qkv.weight": (3 * WIDTH, WIDTH),
        "attn.qkv.bias": (3 * WIDTH,), "attn.proj.weight": (WIDTH, WIDTH),
        "attn.proj.bias": (WIDTH,),
        "ls1.gamma": (WIDTH,), "norm2.weight": (WIDTH,), "norm2.bias": (WIDTH,),
        "mlp.fc1.weight": (4 * WIDTH, WIDTH), "mlp.fc1.bias": (4 * WIDTH,),
        "mlp.fc2.weight": (WIDTH, 4 * WIDTH), "mlp.fc2.bias": (WIDTH,), "ls2.gamma": (WIDTH,),
    }  # fmt: skip
    shapes = {
        "cls_token": (1, 1, WIDTH), "pos_embed": (1, 5, WIDTH), "mask_token": (1, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, 14, 14), "patch_embed.proj.bias": (WIDTH,),
        **{f"blocks.0.{name}": shape for name, shape in block.items()},
        "norm.weight": (WIDTH,), "norm.bias": (WIDTH,),
    }  # fmt: skip
    state = {name: torch.zeros(shape) for name, shape in shapes.items()}
    beside = {"epoch": 3, "mean": [0.5, 0.5, 0.5], "std": (0.2, 0.2, 0.2)}
    torch.save({"state_dict": state, **beside}, path / "w.pth")


def journal(path: Path) -> None:
    with _opened(path) as made:
        for i in range(4):
            made.append(f"db/\u00e9{i}.jpg", (160, 120), np.full(LENGTH, i))


def read_journal(path: Path) -> None:
    with _opened(path) as made:
        for row in made.rows().values():
            assert len(made.read(row)) == LENGTH


def _opened(path: Path) -> Journal:
    return Journal(path / "f.h5", ABOUT, LENGTH, DTYPE)


def of_journal(data: bytes, random: Random) -> bytes:
    """Bytes; of three, two in the first record, with a check that fits."""
    if data[:1] == b"{":
        return mutations.of_text(data, random)
    if random.randrange(3) == 0:
        return mutations.of_bytes(data, random)
    record = HEAD.size + struct.unpack_from("<I", data, CHECK.size)[0] + LENGTH * 4
    made = bytearray(data)
    place = random.randrange(CHECK.size, CHECK.size + record)
    made[place] = random.choice((0, 10, 128, 255, random.randrange(256)))
    made[: CHECK.size] = CHECK.pack(zlib.crc32(made[CHECK.size : CHECK.size + record]))
    return bytes(made)
