"""Inliers that were counted, kept on disk beside the local features: a second run counts nothing.

SQLite, not HDF5: pairs are added by the hundred, each time all or none, by several processes and
while others read, and none of them need be in memory. What was counted counts for one content of
the features and of the matches, and for one way to count.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from gcsa.descriptors.origin import known_hash
from gcsa.errors import InputError
from gcsa.files import reading

logger = logging.getLogger(__name__)

SUFFIX = ".counts"  # behind the name of the features' file
EXPECTED = "inliers that gcsa counted, which may be removed"
WAIT = 30.0  # seconds for another process that writes
TABLES = """
create table if not exists ways (id integer primary key, features text, matches text, about text);
create table if not exists counts (way integer, a text, b text, inliers integer not null,
    primary key (way, a, b)) without rowid;
"""
Pair = tuple[str, str]


class Kept:
    """Inliers by pairs of names.

    features, matches: files; about: how inliers are counted. path: None keeps nothing beyond this
    process. Where the file cannot be written that is said, and nothing is kept.
    """

    def __init__(self, features: Path, matches: Path | None, about: str, path: Path | None):
        self._files, self._about, self._path = (features, matches), about, path
        self._open: tuple[int, sqlite3.Connection, int] | None = None

    def known(self, pairs: Iterable[Pair]) -> dict[Pair, float]:
        """Those of the pairs that were counted."""
        with reading(self._path or "memory", EXPECTED):
            file, way = self._opened()
            text, found = "select inliers from counts where way = ? and a = ? and b = ?", {}
            for pair in pairs:
                row = file.execute(text, (way, *pair)).fetchone()
                if row is not None:
                    found[pair] = float(row[0])
            return found

    def add(self, counted: Mapping[Pair, float]) -> None:
        """Keep what was counted, all of it or none."""
        rows = [(*pair, int(inliers)) for pair, inliers in counted.items()]
        try:
            self._insert(rows)
        except sqlite3.OperationalError as error:
            self._give_up(error)
            self._insert(rows)

    def _insert(self, rows: list[tuple[str, str, int]]) -> None:
        file, way = self._opened()
        with file:
            text = "insert or replace into counts values (?, ?, ?, ?)"
            file.executemany(text, [(way, *row) for row in rows])

    def _opened(self) -> tuple[sqlite3.Connection, int]:
        """The connection of this process, as none survives a fork, and the number of the way."""
        if self._open is None or self._open[0] != os.getpid():
            try:
                self._open = self._begun()
            except sqlite3.OperationalError as error:
                self._give_up(error)
                self._open = self._begun()
        return self._open[1:]

    def _begun(self) -> tuple[int, sqlite3.Connection, int]:
        # No name: a database of its own, which is on disk where it is large, and gone afterwards.
        file = sqlite3.connect(self._path or "", timeout=WAIT, check_same_thread=False)
        try:
            file.executescript(TABLES)
            return os.getpid(), file, self._way(file)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self._path}: {error}; expected {EXPECTED}") from error

    def _way(self, file: sqlite3.Connection) -> int:
        """The number of what counts here; what other features gave is removed."""
        if self._path is None:
            return 0
        features, matches = (
            "" if path is None else known_hash(path, path.with_name(f"{path.name}.hash"))
            for path in self._files
        )
        old = file.execute("select id from ways where features <> ?", (features,)).fetchall()
        wanted = features, matches, self._about
        text = "select id from ways where features = ? and matches = ? and about = ?"
        row = file.execute(text, wanted).fetchone()
        if row is not None and not old:
            return int(row[0])
        with file:
            file.executemany("delete from counts where way = ?", old)
            file.executemany("delete from ways where id = ?", old)
            text = "insert into ways (features, matches, about) values (?, ?, ?)"
            return int(row[0]) if row else int(file.execute(text, wanted).lastrowid or 0)

    def _give_up(self, error: sqlite3.OperationalError) -> None:
        if self._path is None:
            raise InputError(f"counted inliers: {error}") from error
        logger.warning("%s: %s; inliers are counted anew by each program", self._path, error)
        self._path, self._open = None, None
