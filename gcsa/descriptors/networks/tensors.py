"""Tensors out of files of torch.save, read by the package's own unpickler: nothing is run."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable
from typing import IO, Any

import torch
from torch import Tensor

from gcsa.descriptors.whitening import PCA_CLASSES
from gcsa.errors import InputError
from gcsa.files.pickles import Promise
from gcsa.files.torch_files import load_torch
from gcsa.files.unpickler import Allowed, Aside

DTYPES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}
# Libraries whose objects checkpoints of a training hold.
ASIDE = ("argparse", "pathlib", "omegaconf", "pytorch_lightning", "lightning", "lightning_fabric")


class _Storage:
    """The numbers of one or more tensors: what the pickle says of them, then the numbers."""

    def __init__(self, dtype: torch.dtype, count: int):
        self.dtype, self.count = dtype, count
        self.numbers: Tensor | None = None

    def size(self) -> int:
        return self.count * self.dtype.itemsize

    def read(self, file: IO[bytes]) -> None:
        """Take the next bytes of a file, as many as the pickle has announced."""
        buffer = bytearray(file.read(self.size()))
        if len(buffer) != self.size():
            raise InputError(f"damaged: a tensor of {self.size()} bytes has {len(buffer)}")
        self.numbers = torch.frombuffer(buffer, dtype=self.dtype) if buffer else None


class _Tensor(Promise):
    """A tensor before its storage is read: a view of it, which may not reach beyond it."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple, strides: tuple, *rest: Any):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def kept(self, finish: Callable[[Any], Any]) -> Tensor:
        count = math.prod(self.shape)
        if count == 0:
            return torch.empty(self.shape, dtype=self.storage.dtype)
        last = self.offset + sum(
            (side - 1) * step for side, step in zip(self.shape, self.strides, strict=True)
        )
        numbers = self.storage.numbers
        beyond = min(self.offset, *self.strides, 0) < 0 or last >= self.storage.count
        # A tensor of more numbers than there are would take memory when it is copied.
        if numbers is None or beyond or count > self.storage.count:
            raise InputError(f"damaged: a tensor of shape {self.shape} reaches beyond its numbers")
        return numbers.as_strided(self.shape, self.strides, self.offset)


class _Storages:
    """The storages that a pickle names, by their keys."""

    def __init__(self) -> None:
        self.named: dict[str, _Storage] = {}

    def promised(self, pid: Any) -> _Storage:
        _, kind, key, _, count = pid[:5]
        return self.named.setdefault(key, _Storage(kind, count))

    def from_zip(self, archive: zipfile.ZipFile, folder: str) -> None:
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise InputError("written on a big-endian machine, which is not read")
        for key, storage in self.named.items():
            with archive.open(f"{folder}data/{key}") as record:
                storage.read(record)

    def from_file(self, file: IO[bytes], keys: list) -> None:
        for key in keys:
            count = int.from_bytes(file.read(8), "little")
            if key not in self.named or count != self.named[key].count:
                raise InputError(f"damaged: storage {key} has {count} numbers, not as announced")
            self.named[key].read(file)


def _first(value: Any, *rest: Any) -> Any:
    """A parameter is the tensor that it holds."""
    return value


ALLOW: Allowed = {
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_tensor"): _Tensor,  # of before torch 0.4
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_parameter_with_state"): _first,
    **{("torch", f"{name}Storage"): dtype for name, dtype in DTYPES.items()},
    **PCA_CLASSES,
    ("collections", "Counter"): Aside,
    ("collections", "defaultdict"): Aside,
    # A training's settings and states, which its checkpoints hold beside the weights.
    **{(library, "*"): Aside for library in ASIDE},
}


def load(path: str | os.PathLike) -> Any:
    """The object of a torch file with its tensors, on the CPU.

    InputError, naming the file, where it is none or asks for something that is not plain data.
    """
    return load_torch(path, ALLOW, _Storages())
