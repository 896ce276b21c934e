"""Files appear whole or not at all."""

import os
import stat

import pytest

from gcsa.errors import nearest
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
