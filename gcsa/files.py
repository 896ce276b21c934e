"""Text of others read; files written so that a reader never sees half of one."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gcsa.errors import InputError, MissingFileError, similar

# Of a disk that takes no more; other faults in the middle of writing are the program's.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; on success it is renamed to ``path``.

    On an error, or when the process is interrupted, the temporary file is removed and a file
    that was at ``path`` before is left as it was. Folders are made where they lack. InputError
    where nothing can be written there.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp's are for their owner alone
        _rename(temporary, path)
    except OSError as error:
        if error.errno in FULL and not isinstance(error, InputError):
            raise _refused(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: str | os.PathLike) -> Path:
    """Make a folder where it lacks; InputError where that cannot be."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(path, error) from error
    return path


def similar_folder(path: str | os.PathLike) -> str:
    """A hint for a folder that does not exist: one beside it of nearly that name, or nothing."""
    path = Path(path)
    if not path.parent.is_dir():
        return ""
    return similar(path.name, [p.name for p in path.parent.iterdir() if p.is_dir()])


def read_text(path: str | os.PathLike) -> str:
    """The UTF-8 text of a file, line ends as "\\n", without the byte-order mark of Windows.

    InputError where there is no such file, or it is not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason})") from error


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 text with "\\n" line ends, all or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _temporary(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise _refused(path, error) from error
    os.close(handle)
    return Path(name)


def _rename(temporary: Path, path: Path) -> None:
    try:
        os.replace(temporary, path)
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be written ({error.strerror or error})")


def _umask() -> int:
    mask = os.umask(0)  # there is no way to ask without setting it
    os.umask(mask)
    return mask
