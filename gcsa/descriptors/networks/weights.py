"""Files of weights, as the projects publish them and as trainings leave them, read safely."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcsa.descriptors.networks import matlab, tensors
from gcsa.descriptors.networks.body import Weights
from gcsa.errors import InputError, MissingFileError
from gcsa.files import reading

# Where dictionaries of tensors hide in a file, one within the other.
WRAPPERS = ("state_dict", "model_state_dict", "teacher", "student", "model")
# What a training puts before all names, each where the second follows it; "module." of parallel
# training stands anywhere.
PREFIXES = (("_orig_mod.", ""), ("net.", ""), ("model.", "backbone."), ("backbone.", "cls_token"))
PARALLEL = re.compile(r"(^|\.)module\.")
# Heads of DINOv2's own training, which describe no image.
TRAINING_HEADS = ("dino_head.", "ibot_head.")
# What networks have beside their tensors.
OF_NETWORKS = "meta model_options preprocess pca mean std gcsa_network gcsa_whitening".split()
# What tells a checkpoint of a training from published weights.
TRAINING = ("optimizer", "optimizer_state_dict", "optimizer_states", "epoch", "epoch_num")


def read_weights(path: str | os.PathLike, whiten: bool = True) -> Weights:
    """The tensors of a file by the names of the originals, and what lies beside them.

    Read are torch.save's files, old and new, MATLAB's of NetVLAD and safetensors; nothing of them
    is run. Raises InputError, naming the file, where it is none of them.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file of weights")
    found, beside = _reader(path)(path)
    remarks = _of_a_training(beside)
    heads = {name for name in found if name.startswith(TRAINING_HEADS)}
    if heads:
        remarks += (f"without the {len(heads)} tensors of DINOv2's heads for its training",)
    if any(v.is_floating_point() and v.dtype != torch.float32 for v in found.values()):
        kinds = sorted({str(v.dtype) for v in found.values() if v.is_floating_point()})
        remarks += (f"stored as {', '.join(kinds)}, computed in float32",)
    floats = {
        name: value.float() if value.is_floating_point() else value
        for name, value in found.items()
        if name not in heads
    }
    return Weights(path, floats, beside, remarks, whiten)


Content = tuple[dict[str, Tensor], Mapping[str, Any]]


def _reader(path: Path) -> Callable[[Path], Content]:
    """What reads a file, by its first bytes."""
    with reading(path, "a file of weights"), open(path, "rb") as file:
        start = file.read(512)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise InputError(
            f"{path}: a web page, not weights: the download gave a page (of Google Drive's "
            "warning, perhaps) in the place of the file; fetch it with a browser"
        )
    if text.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: a pointer of Git LFS, not weights: fetch it with 'git lfs pull'")
    if start.startswith(b"MATLAB"):
        return matlab.read
    if start[8:9] == b"{":
        return _read_safetensors
    if start.startswith(b"\x89HDF"):
        raise InputError(
            f"{path}: an HDF5 file, not weights of a network; expected .mat before 7.3"
        )
    if start.startswith((b"PK", b"\x80")):
        return _read_torch
    raise InputError(
        f"{path}: no file of weights; expected one of torch.save, safetensors or MATLAB"
    )


def _read_safetensors(path: Path) -> Content:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise InputError(f"{path}: needs safetensors (pip install 'gcsa[photos]')") from error
    with reading(path, "a safetensors file"):
        return load_file(path), {}


def _read_torch(path: Path) -> Content:
    content = tensors.load(path)
    if isinstance(content, Tensor):  # AnyLoc's vocabularies
        return {"centers": content}, {}
    beside: dict[str, Any] = {}
    while isinstance(content, dict) and not _is_state(content):
        inner = next((name for name in WRAPPERS if isinstance(content.get(name), dict)), None)
        if inner is None:
            break
        beside |= {k: v for k, v in content.items() if k != inner}
        content = content[inner]
    if not isinstance(content, dict) or not _is_state(content):
        names = content if isinstance(content, dict) else [type(content).__name__]
        has = ", ".join(map(str, list(names)[:5])) or "nothing"
        raise InputError(f"{path}: no dictionary of tensors, it has {has}")
    return _named(content), beside


def _is_state(content: dict) -> bool:
    return bool(content) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()
    )


def _named(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names of the originals: what a training puts before is off."""
    named = {PARALLEL.sub(r"\1", name): value for name, value in state.items()}
    heads = {k: v for k, v in named.items() if k.startswith(TRAINING_HEADS)}
    named = {k: v for k, v in named.items() if k not in heads}
    while True:
        for prefix, next_part in PREFIXES:
            whole = prefix + next_part
            if all(k.startswith(prefix) for k in named) and any(k.startswith(whole) for k in named):
                named = {k.removeprefix(prefix): v for k, v in named.items()}
                break
        else:
            return named | heads


def _of_a_training(beside: Mapping[str, Any]) -> tuple[str, ...]:
    if not any(name in beside for name in TRAINING):
        return ()
    epoch = beside.get("epoch", beside.get("epoch_num"))
    when = "" if epoch is None else f" after epoch {epoch}"
    said = (*OF_NETWORKS, "epoch", "epoch_num")
    aside = ", ".join(sorted(str(name) for name in beside if name not in said))
    return (f"a checkpoint of a training{when}" + (f", without its {aside}" if aside else ""),)
