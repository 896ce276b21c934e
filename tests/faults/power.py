"""A loss of power at any moment, played: what was synced is there, and nothing else surely.

The calls that change a folder are recorded in this process. After each of them two disks are
thought of, the two ends of what file systems do: one that has kept nothing but what was synced, and
one that has kept every name at once, but content only as it was synced (an empty file otherwise).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

Image = dict[str, bytes]

CHANGES = ("fsync", "replace", "rename", "mkdir", "unlink", "rmdir")


class Disk:
    """The content of a folder as it is durable, and what each loss would have left."""

    def __init__(self, root: Path):
        self.root, self.images = root, []
        self._held: list[int] = []  # a number of a file that is open is not used again
        self._content: dict[int, bytes] = {}
        self._entries: dict[int, dict[str, int]] = {}
        for folder, _, names in os.walk(root):
            for path in (Path(folder), *(Path(folder, name) for name in names)):
                self._keep(os.open(path, os.O_RDONLY))

    def _keep(self, handle: int) -> None:
        self._held.append(handle)
        status = os.fstat(handle)
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if stat.S_ISDIR(status.st_mode):
            names = sorted(os.listdir(handle))
            self._entries[status.st_ino] = {n: (path / n).lstat().st_ino for n in names}
        else:
            self._content[status.st_ino] = path.read_bytes()

    def _durable(self, folder: int, where: str = "") -> Iterator[tuple[str, bytes]]:
        for name, number in self._entries.get(folder, {}).items():
            if number in self._entries:
                yield from self._durable(number, f"{where}{name}/")
            elif number in self._content:
                yield where + name, self._content[number]
            else:  # a folder, or a file, of which nothing is known but its name
                yield where + name, b""

    def _named(self) -> Iterator[tuple[str, bytes]]:
        for path in self.root.rglob("*"):
            if path.is_file():
                content = self._content.get(path.stat().st_ino, b"")
                yield str(path.relative_to(self.root)), content

    def snap(self) -> None:
        self.images += [dict(self._durable(self.root.stat().st_ino)), dict(self._named())]

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record what happens within; the images of all moments are there afterwards."""

        def changing(name: str, real):
            def call(*args, **options):
                done = real(*args, **options)
                if name == "fsync":
                    self._keep(os.dup(args[0]))
                self.snap()
                return done

            return call

        changed = {name: changing(name, getattr(os, name)) for name in CHANGES}
        with mock.patch.multiple(os, **changed):
            yield
        self.snap()

    def close(self) -> None:
        for handle in self._held:
            os.close(handle)


def put(image: Image, folder: Path) -> Path:
    """The files of an image, in a new folder."""
    for name, content in image.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
