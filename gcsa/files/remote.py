"""Photos in an object store, by the URL of a folder: s3://bucket/photos, through fsspec.

fsspec comes with torch; what it needs for a store (s3fs, gcsfs, ...) is installed beside it.
A photo is one request: its bytes are fetched whole, and decoded from memory.
"""

from __future__ import annotations

import errno
import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from gcsa.errors import InputError, MissingFileError
from gcsa.files import limits, reading

# Two letters at least: C:/photos is a folder of Windows.
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://.+")
LACKS = "needs fsspec, which is not installed (pip install gcsa[remote])"


class StoreError(InputError):
    """A store that does not answer as one should: of no photo alone, so that to go on is vain."""


@dataclass(frozen=True)
class Remote:
    """A file or folder in a store. root: URL that the settings name; name: below it, with slashes.

    content: its bytes, where they were fetched.
    """

    root: str
    name: str = ""
    content: bytes | None = None

    def __truediv__(self, name: str) -> Remote:
        return Remote(self.root, f"{self.name}/{name}" if self.name else str(name))

    def __str__(self) -> str:
        return f"{self.root.rstrip('/')}/{self.name}"

    def __fspath__(self) -> str:  # of messages alone
        return str(self)

    def __lt__(self, other: object) -> bool:
        return str(self) < str(other)

    def fetched(self) -> Remote:
        """The same with its bytes; InputError where there are none, or too many; StoreError where
        the store cannot be asked.
        """
        if self.content is not None:
            return self
        # A name is a table's, so a stranger's: it stays below the root, and is no URL itself.
        if ".." in self.name.split("/"):
            raise InputError(f"{self}: expected a name without '..'")
        most = limits.most("GCSA_MAX_BYTES")
        with _asking(str(self)):
            files, folder = _store(self.root)
            content = _content(files, f"{folder.rstrip('/')}/{self.name}", most + 1)
        limits.check("GCSA_MAX_BYTES", len(content), str(self))
        return replace(self, content=content)


@contextmanager
def _asking(url: str) -> Iterator[None]:
    """What goes wrong as one line: a file that is not there is one thing, a store another."""
    try:
        with reading(url, "a file of an object store"):
            yield
    except MissingFileError:
        raise
    except InputError as error:
        raise StoreError(str(error)) from error


def _content(files: Any, path: str, most: int) -> bytes:
    """At most so many bytes of a file. By name: what stands third is another thing for s3fs.

    An empty file has no range at all, as S3 sees it.
    """
    try:
        found: bytes = files.cat_file(path, start=0, end=most)
    except OSError as error:
        if error.errno != errno.EINVAL or files.info(path)["size"] > 0:
            raise
        found = b""
    return found


@lru_cache(maxsize=8)
def _store(root: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the folder in it."""
    try:
        core = importlib.import_module("fsspec.core")
    except ImportError as error:
        raise InputError(f"{root}: {LACKS}") from error
    files, folder = core.url_to_fs(root)
    return files, folder


def folder_of(text: str) -> Path | Remote:
    """A folder by its path, or by the URL of an object store."""
    return Remote(text) if URL.fullmatch(text) else Path(text)
