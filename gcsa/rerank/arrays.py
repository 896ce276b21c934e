"""One array out of a .npy, .npz or .pth file; nothing that is stored is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gcsa.errors import InputError, MissingFileError, nearest
from gcsa.files.npy import reading_arrays
from gcsa.models.checkpoint import read_torch


def read_array(spec: str) -> np.ndarray:
    """The array of "FILE", or of "FILE:KEY" where an .npz or .pth file holds several.

    A .npy file is memory-mapped. Raises InputError that names the file.
    """
    path, key = _path_and_key(spec)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file")
    readers = {".npy": _numpy, ".npz": _numpy, ".pth": _torch, ".pt": _torch}
    if path.suffix not in readers:
        raise InputError(f"{path}: expected a file of type {', '.join(readers)}")
    with reading_arrays(path, f"a {path.suffix} file of floating-point numbers"):
        return _as_array(_pick(readers[path.suffix](path), path, key), path)


def _path_and_key(spec: str) -> tuple[Path, str | None]:
    file, colon, key = spec.rpartition(":")
    return (Path(file), key) if colon and not Path(spec).is_file() else (Path(spec), None)


def _numpy(path: Path) -> Any:
    # Of an .npz a mapping, which reads an array when it is asked for.
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _torch(path: Path) -> Any:
    return read_torch(path, "a file of torch")


def _pick(content: Any, path: Path, key: str | None) -> Any:
    """The array with that key; without one, the only array there is."""
    if not isinstance(content, Mapping):
        if key is not None:
            raise InputError(f"{path}: holds one array, there is no key '{key}' to choose")
        return content
    content = {str(name): content[name] for name in content}
    names = list(content)
    if key is None and len(names) == 1:
        key = names[0]
    if key is None:
        raise InputError(f"{path}: holds {', '.join(names) or 'nothing'}; write {path}:KEY")
    if key not in content:
        raise InputError(f"{path}: has no '{key}'{nearest(key, names)}")
    return content[key]


def _as_array(value: Any, path: Path) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = (value.float() if value.dtype == torch.bfloat16 else value).detach().numpy()
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise InputError(f"{path}: expected an array of floating-point numbers, got {found}")
    return value
