"""MATLAB's files: SciPy writes and reads them as a peer; what is not whole is one line."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from scipy.io.matlab import MatlabObject

from gcsa.errors import InputError
from gcsa.files.mat_files import Foreign, load_mat

KINDS = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "c16"]


def cells(*values):
    made = np.empty((len(values), 1), dtype=object)
    made[:, 0] = values
    return made


@pytest.mark.parametrize("packed", [False, True])
def test_arrays_are_what_scipy_reads(tmp_path, packed):
    random = np.random.default_rng(0)
    arrays = {f"a{k}": (100 * random.random((2, 3, 4))).astype(k) for k in KINDS}
    arrays |= {"small": np.uint8([[1, 2, 3]]), "none": np.zeros((0, 3)), "one": np.float32([[7]])}
    savemat(tmp_path / "a.mat", arrays, do_compression=packed)
    found, peer = load_mat(tmp_path / "a.mat", "x"), loadmat(tmp_path / "a.mat")
    assert set(found) == set(arrays)
    for name in arrays:
        assert found[name].dtype == peer[name].dtype, name
        np.testing.assert_array_equal(found[name], peer[name])


@pytest.mark.parametrize("packed", [False, True])
def test_texts_cells_and_structs(tmp_path, packed):
    content = {
        "s": {"name": "a\u00e9\u6c34.jpg", "names": cells("x", "", cells("y")), "deep": {"n": 2.5}},
        "several": np.array([[(1.0, "p")], [(2.0, "q")]], dtype=[("v", object), ("w", object)]),
        "rows": np.array(["abc", "def"]),
    }
    savemat(tmp_path / "a.mat", content, do_compression=packed)
    found = load_mat(tmp_path / "a.mat", "x")
    assert found["s"]["name"] == "a\u00e9\u6c34.jpg" and found["s"]["deep"]["n"] == [[2.5]]
    x, nothing, y = found["s"]["names"][:, 0]
    assert (x, y.item()) == ("x", "y") and len(nothing) == 0
    assert [(d["v"].item(), d["w"]) for d in found["several"].ravel()] == [(1, "p"), (2, "q")]
    assert ["".join(row) for row in found["rows"]] == ["abc", "def"]
    assert set(load_mat(tmp_path / "a.mat", "x", ("rows",))) == {"rows"}


def test_objects_are_told_apart_not_read(tmp_path):
    made = MatlabObject(np.array([(1,)], dtype=[("a", object)]), "some.class")
    savemat(tmp_path / "a.mat", {"o": made, "n": 1.0})
    found = load_mat(tmp_path / "a.mat", "x")
    assert isinstance(found["o"], Foreign) and found["n"] == [[1.0]]


def element(kind, content, order="<"):
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def variable(kind, shape, content, order="<"):
    head = element(6, struct.pack(f"{order}II", kind, 0), order)
    head += element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
    return element(14, head + element(1, b"v", order) + content, order)


def write(path, *elements, order="<"):
    mark = b"IM" if order == "<" else b"MI"
    head = b"MATLAB 5.0".ljust(124) + struct.pack(f"{order}H", 0x0100) + mark
    path.write_bytes(head + b"".join(elements))
    return path


def test_the_other_byte_order_and_utf_16(tmp_path):
    numbers = variable(6, (1, 2), element(9, struct.pack(">2d", 1.5, -2), ">"), ">")
    assert load_mat(write(tmp_path / "a.mat", numbers, order=">"), "x")["v"].tolist() == [[1.5, -2]]
    text = variable(4, (1, 3), element(4, "a\u00e9b".encode("utf-16-be"), ">"), ">")
    assert load_mat(write(tmp_path / "a.mat", text, order=">"), "x")["v"] == "a\u00e9b"


NESTED = b""
for _ in range(1000):
    NESTED = variable(1, (1, 1), NESTED)
TINY = element(9, bytes(8))
BAD = {
    "cells that are not there": variable(1, (2**20, 2**10), b""),
    "structs without fields": variable(2, (9, 9), element(5, b"\x08\0\0\0") + element(1, b"")),
    "numbers that are not there": variable(6, (2**15, 2**15), TINY),
    "shape below zero": variable(6, (-1, -1), TINY),
    "text for numbers": variable(6, (1, 1), element(16, b"a")),
    "numbers for text": variable(4, (1, 1), TINY),
    "cells in cells": NESTED,
    "a length beyond the file": element(14, bytes(8))[:4] + b"\xff\xff\xff\x7f",
    "an element beyond its variable": element(14, struct.pack("<II", 6, 9999)),
    "no array": element(1, b"abc"),
    "cut in a tag": variable(6, (1, 1), TINY) + b"\x0e\0",
    "not packed": element(15, b"nothing of zlib"),
    "packed, not whole": element(15, zlib.compress(variable(6, (1, 1), TINY)[:-8])),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_whole_is_one_line(tmp_path, what):
    path = write(tmp_path / "a.mat", BAD[what])
    with pytest.raises(InputError, match=r"a.mat: .*; expected x$") as caught:
        load_mat(path, "x")
    assert "\n" not in str(caught.value)


def test_a_little_that_unpacks_to_much(tmp_path, monkeypatch):
    monkeypatch.setenv("GCSA_MAX_UNPACKED", "1000000")
    path = write(tmp_path / "a.mat", element(15, zlib.compress(bytes(10**8))))
    tracemalloc.start()
    with pytest.raises(InputError, match="GCSA_MAX_UNPACKED"):
        load_mat(path, "x")
    assert tracemalloc.get_traced_memory()[1] < 60e6
    tracemalloc.stop()


@pytest.mark.parametrize("head", [b"", b"MATLAB 5.0", bytes(128), b"\x89HDF\r\n\x1a\n" * 40])
def test_other_files(tmp_path, head):
    (tmp_path / "a.mat").write_bytes(head)
    with pytest.raises(InputError, match="no MATLAB file of version 5; expected x"):
        load_mat(tmp_path / "a.mat", "x")
