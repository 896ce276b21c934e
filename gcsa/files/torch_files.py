"""Files of torch.save, old and new, read as pickles are: nothing of them is run."""

from __future__ import annotations

import io
import os
import zipfile
from typing import IO, Any, Protocol

from gcsa.files.pickles import PlainUnpickler, reader
from gcsa.files.unpickler import Allowed, PickleError

# What torch.save put first before its files became zip archives.
TORCH_MAGIC = 0x1950A86A20F9469CFC6C


class Storages(Protocol):
    """Where the numbers of a torch file's tensors go, which lie outside the pickle."""

    def promised(self, pid: Any) -> Any:
        """What stands in the pickle for the storage of a persistent id."""

    def from_zip(self, archive: zipfile.ZipFile, folder: str) -> None:
        """Read what was promised from the records of a file of today."""

    def from_file(self, file: IO[bytes], keys: list) -> None:
        """Read what was promised from the end of an old file, in the order of ``keys``."""


def load_torch(
    path: str | os.PathLike, allow: Allowed | None = None, storages: Storages | None = None
) -> Any:
    """The object of a ``torch.save`` file, old or new, or of a plain pickle.

    Tensors are None; where their ``storages`` are wanted, ``allow`` says what rebuilds them.
    """
    return reader(path, lambda file, size: _load_torch(file, size, allow, storages))


def _load_torch(
    file: IO[bytes], size: int, allow: Allowed | None, storages: Storages | None
) -> Any:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if not names:
                raise PickleError("a zip archive, but not of torch (it lacks data.pkl): unpack it")
            record = archive.read(names[0])
            stream = io.BytesIO(record)
            content = _TorchUnpickler(stream, len(record), allow, storages).load()
            if storages is not None:
                storages.from_zip(archive, names[0].removesuffix("data.pkl"))
            return content
    file.seek(0)
    first = _TorchUnpickler(file, size, allow, storages).load()
    if not isinstance(first, int) or first != TORCH_MAGIC:
        return first
    for _ in range(2):  # the protocol's version, and facts of the machine that wrote it
        _TorchUnpickler(file, size, allow, None).load()
    content = _TorchUnpickler(file, size, allow, storages).load()
    if storages is not None:
        storages.from_file(file, _TorchUnpickler(file, size, allow, None).load())
    return content


class _TorchUnpickler(PlainUnpickler):
    """Tensors lie outside the pickle; what makes one of them makes None where nobody wants it."""

    def __init__(
        self, file: IO[bytes], size: int, allow: Allowed | None, storages: Storages | None
    ):
        super().__init__(file, size, allow)
        self.storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "torch" and (module, name) not in self._allowed:
            return _nothing
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        return None if self.storages is None else self.storages.promised(pid)


def _nothing(*args: Any) -> None:
    return None
