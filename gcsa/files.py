"""Text of others read; files written so that a reader never sees half of one."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from gcsa.errors import InputError, MissingFileError, similar

# Of a disk that takes no more; other faults in the middle of writing are the program's.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


# The file within a temporary folder, and nothing else is there.
PART = "part"


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield the path of an empty temporary file; on success ``path`` holds what was written to it.

    A plain file is replaced at once, by a rename; a link stays, and what it leads to is replaced.
    A pipe, a device, and the file that standard output or error goes to are written into. Folders
    are made where they lack. On an error, or when the process is interrupted, the temporary file
    is removed and a file that was at ``path`` before is left as it was.

    Raises InputError where nothing can be written there, as where a folder is.
    """
    path = Path(path)
    with _told(path):
        stream = _is_stream(path)
        target = Path(os.path.realpath(path))
        folder, lock = _own_folder(Path(tempfile.gettempdir()) if stream else target.parent)
    try:
        yield folder / PART
        with _told(path):
            if stream:
                _pour(folder / PART, path)
            else:
                os.replace(folder / PART, target)
    except OSError as error:
        if error.errno in FULL and not isinstance(error, InputError):
            raise _refused(path, error) from error
        raise
    finally:
        with suppress(OSError):  # what cannot be removed now is swept later
            _remove(folder, lock)
        os.close(lock)


def make_folder(path: str | os.PathLike) -> Path:
    """Make a folder where it lacks; InputError where that cannot be."""
    path = Path(path)
    with _told(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def similar_folder(path: str | os.PathLike) -> str:
    """A hint for a folder that does not exist: one beside it of nearly that name, or nothing."""
    path = Path(path)
    if not path.parent.is_dir():
        return ""
    return similar(path.name, [p.name for p in path.parent.iterdir() if p.is_dir()])


@contextmanager
def reading(path: str | os.PathLike, expected: str) -> Iterator[None]:
    """The door of a reader: what a library raises over a file's content becomes one line.

    Around the calls that read ``path``, and nothing else: any exception there is taken for the
    file's fault. It becomes an InputError that names the file, the library's reason and what was
    ``expected`` ("a NumPy array of shape (N, D)"); MissingFileError where there is no such file.
    An InputError of a reader that knows more passes as it is.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: no such file; expected {expected}") from error
    except MemoryError as error:
        raise InputError(f"{path}: takes more memory than there is; expected {expected}") from error
    except Exception as error:
        raise InputError(f"{path}: {_reason(error)}; expected {expected}") from error


def _reason(error: Exception) -> str:
    """What a library says is wrong, in one line that is not too long."""
    blank = "it ends too early" if isinstance(error, EOFError) else "cannot be read"
    said = getattr(error, "strerror", None) or (" ".join(str(error).split()) or blank)
    said = said if len(said) <= 200 else f"{said[:200]} ..."
    known = isinstance(error, (OSError, ValueError, EOFError))
    return said if known else f"{type(error).__name__}: {said}"


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


def _is_stream(path: Path) -> bool:
    """Whether what is there is written into, not replaced: it is no plain file, or printed to."""
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(there.st_mode) or _printed_to(there) is not None


def _printed_to(there: os.stat_result) -> int | None:
    """The descriptor of standard output or error, where it is this file."""
    for handle in (1, 2):
        with suppress(OSError):  # closed
            if os.path.samestat(there, os.fstat(handle)):
                return handle
    return None


def _pour(temporary: Path, path: Path) -> None:
    """Write a file's content into what is at ``path``, after what was printed there before."""
    for printed in (sys.stdout, sys.stderr):
        if printed is not None:
            printed.flush()
    own = _printed_to(path.stat())
    handle = os.open(path, os.O_WRONLY | os.O_NOCTTY) if own is None else os.dup(own)
    with open(temporary, "rb") as source, open(handle, "wb") as sink:
        shutil.copyfileobj(source, sink)


def _own_folder(parent: Path) -> tuple[Path, int]:
    """A new folder in ``parent`` with an empty file, and the lock that says that we are alive.

    A lock ends with its process, however that ends; it also holds between containers, which do
    not know each other's processes. It is the folder's, as HDF5 wants that of the file.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=".gcsa-", suffix=".tmp"))
        with suppress(FileNotFoundError):  # swept before it was locked
            lock = _open_folder(folder)
            try:
                with suppress(OSError):  # a disk without locks, where nobody sweeps
                    fcntl.flock(lock, fcntl.LOCK_EX)
                (folder / PART).touch()
            except BaseException:
                os.close(lock)
                raise
            return folder, lock


@cache
def _sweep(parent: Path) -> None:
    """Remove the temporary folders of processes that were killed; once, as folders may be large."""
    for folder in parent.glob(".gcsa-*.tmp"):
        with suppress(OSError):  # in use, of another user, or on a disk without locks
            lock = _open_folder(folder)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder, lock)
            finally:
                os.close(lock)


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _remove(folder: Path, opened: int) -> None:
    """Remove a temporary folder; in one that holds more than ours, that stays."""
    with suppress(FileNotFoundError):
        os.unlink(PART, dir_fd=opened)
    folder.rmdir()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn an error of the system into one that names the path."""
    try:
        yield
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be written ({error.strerror or error})")
