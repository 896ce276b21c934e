"""Files appear whole or not at all."""

import errno
import os
import stat

import pytest

from gcsa.errors import InputError, nearest
from gcsa.files import replacing, write_text


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), replacing(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "old"
            raise error
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"] and path.read_text() == "old"


def test_a_new_file_is_whole_and_may_be_read_by_others(tmp_path):
    path, mask = tmp_path / "new" / "a.txt", os.umask(0o027)
    try:
        write_text(path, "é\n")
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"\xc3\xa9\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_hints():
    assert nearest("headin", ["heading", "radio"]) == " (did you mean 'heading'?)"
    assert nearest("x", ["b", "a"]) == " (choose from a, b)"


def test_what_cannot_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "a.txt", tmp_path / "folder"):
        with pytest.raises(InputError, match=f"{path}: cannot be written"):
            write_text(path, "y")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    with pytest.raises(InputError, match="a.txt: cannot be written .No space left"):
        with replacing(tmp_path / "a.txt"):
            raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="other") as caught, replacing(tmp_path / "a.txt"):
        raise OSError(errno.ENOENT, "other")
    assert not isinstance(caught.value, InputError)
