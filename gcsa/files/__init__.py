"""Text of others read; files written so that a reader never sees half of one."""

from __future__ import annotations

import codecs
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
from typing import TextIO

from gcsa.errors import InputError, MissingFileError, similar
from gcsa.files import disks

# How text of Windows may begin: UTF-8's byte-order mark, and those of UTF-16.
MARK, UTF16 = codecs.BOM_UTF8, (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# The file within a temporary folder, and nothing else is there.
PART = "part"
_discards = False


def discard_writes(discards: bool) -> None:
    """Throw away what is written from here on, or keep it: of several processes that do the same
    work the first alone leaves files.
    """
    global _discards
    _discards = discards


@contextmanager
def replacing(path: str | os.PathLike, durable: bool = True, own: bool = False) -> Iterator[Path]:
    """Yield the path of an empty temporary file; on success ``path`` holds what was written to it.

    A plain file is replaced at once, by a rename; a link stays, and what it leads to is replaced.
    A pipe, a device, and the file that standard output or error goes to are written into. Folders
    are made where they lack. On an error, or when the process is interrupted, the temporary file
    is removed and a file that was at ``path`` before is left as it was.

    durable: afterwards the file outlives a loss of power, which at any moment leaves the old one
    or the new one whole. Without, for the many that are soon made anew, it may leave an empty one.

    Raises InputError where nothing can be written there, as where a folder is; so, too, where the
    disk takes no more, in whatever words the library that writes says that.
    """
    path, discarded = Path(path), _discards and not own
    with _told(path):
        stream = _is_stream(path)
        target = Path(os.path.realpath(path))
        elsewhere = stream or discarded
        if not elsewhere:
            disks.make_folders(target.parent, durable)
        folder, lock = _own_folder(Path(tempfile.gettempdir()) if elsewhere else target.parent)
    try:
        yield folder / PART
        with _told(path):
            if stream and not discarded:
                _pour(folder / PART, path)
            elif not discarded:
                _rename(folder / PART, target, durable)
    except InputError:
        raise
    except Exception as error:
        if (reason := disks.fault(error)) is not None:
            raise InputError(f"{path}: cannot be written ({reason})") from error
        raise
    finally:
        with suppress(OSError):  # what cannot be removed now is swept later
            _remove(folder, lock)
        os.close(lock)


def make_folder(path: str | os.PathLike) -> Path:
    """Make a folder where it lacks; InputError where that cannot be."""
    path = Path(path)
    with _told(path):
        disks.make_folders(path)
    return path


def similar_folder(path: str | os.PathLike) -> str:
    """A hint for a folder that does not exist: one beside it of nearly that name, or nothing."""
    path = Path(path)
    if not path.parent.is_dir():
        return ""
    return similar(path.name, [p.name for p in path.parent.iterdir() if p.is_dir()])


@contextmanager
def reading(path: object, expected: str) -> Iterator[None]:
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

    InputError where there is no such file, or it is not UTF-8 text.
    """
    return _decoded(path)[1]


def read_lines(path: str | os.PathLike) -> bytes:
    """The text of :func:`read_text` before it is decoded, for who cuts bytes."""
    return _decoded(path)[0]


def _decoded(path: str | os.PathLike) -> tuple[bytes, str]:
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file")
    with reading(path, "text"):
        raw = path.read_bytes()
    if raw.startswith(UTF16):
        raise InputError(f"{path}: UTF-16 text; save it as UTF-8")
    raw = raw.removeprefix(MARK)
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\0" in raw:
        number = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise InputError(f"{path}: line {number}: not text, holds a zero byte")
    try:
        return raw, raw.decode("utf-8")
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {number}: not UTF-8 text ({error.reason})") from error


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 text with "\\n" line ends, all or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def appending(path: str | os.PathLike) -> Iterator[TextIO]:
    """Yield a UTF-8 text file that is written on at its end; what is there stays.

    Raises InputError where it cannot be written. A loss in the middle leaves a last line that is
    not whole: its reader passes that over.
    """
    path = Path(os.devnull if _discards else path)
    with _told(path):
        file = path.open("a", encoding="utf-8", newline="\n")
    try:
        with file:
            yield file
    except OSError as error:
        if not isinstance(error, InputError) and (reason := disks.fault(error)) is not None:
            raise InputError(f"{path}: cannot be written ({reason})") from error
        raise


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """The door of what others write, as :func:`reading` is of what they read.

    Around the calls of a library that writes ``path`` itself, and nothing else: any exception
    there becomes an InputError that names it and the library's reason.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = disks.fault(error) or _reason(error)
        raise InputError(f"{path}: cannot be written ({reason})") from error


def _rename(temporary: Path, target: Path, durable: bool) -> None:
    """Put a file in its place; content before name, or the name may outlive the content."""
    if durable:
        disks.sync(temporary)
    os.replace(temporary, target)
    if durable:
        disks.sync(target.parent)


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
