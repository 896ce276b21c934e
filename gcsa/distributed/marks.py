"""What tells one input of a piece of work from another, in 32 hexadecimal digits."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch


def mark(*values: object) -> str:
    """The mark of any values: numbers, texts, arrays, dataclasses and collections of these.

    An array that is mapped from a file counts as that file, by its size and time. What offers an
    ``identity``, as rows of descriptors do, counts as that.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in _bytes(values):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _bytes(value: Any) -> Iterator[bytes]:
    yield type(value).__name__.encode()
    if hasattr(value, "identity"):
        yield from _bytes(value.identity)
    elif isinstance(value, np.memmap) and value.filename is not None:
        found = os.stat(value.filename)
        yield from _bytes((str(value.filename), value.shape, found.st_size, found.st_mtime_ns))
    elif isinstance(value, np.ndarray | torch.Tensor):
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        yield f"{array.dtype}{array.shape}".encode()
        yield np.ascontiguousarray(array).tobytes()
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _bytes({f.name: getattr(value, f.name) for f in fields(value)})
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _bytes(key)
            yield from _bytes(inner)
    elif isinstance(value, set | frozenset):
        yield from _bytes(sorted(value))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _bytes(inner)
    elif value is None or isinstance(value, str | bytes | int | float | bool):
        yield repr(value).encode()
    else:
        yield pickle.dumps(value, protocol=4)
