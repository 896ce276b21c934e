"""MATLAB's files of version 5 (-v6, -v7), as plain Python: arrays, texts, cells and structs.

Only what such files of this field hold is read, by NumPy and zlib: a size that is not borne out by
the bytes that are there is refused before memory is taken. (MAT-File Format, The MathWorks, 2019.)
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Container, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gcsa.files import limits, reading

HEADER, VERSION = 128, 0x0100
CHUNK = 1 << 20
MATRIX, COMPRESSED = 14, 15
# Types of elements: numbers, and texts with their encoding (None: of the file's byte order).
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
           13: "u8"}  # fmt: skip
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
# Classes of arrays.
CELL, STRUCT, CHAR, OPAQUE = 1, 2, 4, 17
NUMERIC = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8",
           15: "u8"}  # fmt: skip
COMPLEX = 0x0800
# Cells in cells, as deep as they may stand.
DEPTH = 32


class Foreign:
    """What stands for an object of a class, a function or a sparse matrix: they are not read."""


def load_mat(
    path: str | os.PathLike, expected: str, names: Container[str] | None = None
) -> dict[str, Any]:
    """The variables of a file by name; ``names``: only these are read.

    Arrays of numbers are arrays, one row of characters is a str, more are an array of them. Cells
    are an object array. A struct of 1 x 1 is a dict by field, others are an object array of dicts.
    InputError, naming the file, where it is not whole or not of version 5; ``expected`` is what
    it should be.
    """
    found = {}
    with reading(path, expected), open(path, "rb") as file:
        order = _order(file)
        for data in _variables(file, order, Path(path)):
            name, value = _variable(_Elements(data, order), names)
            if name:
                found[name] = value
    return found


def _order(file: BinaryIO) -> str:
    """The byte order of a file, "<" or ">", by its header."""
    head = file.read(HEADER)
    order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
    if order is None:
        raise ValueError("no MATLAB file of version 5")
    (version,) = struct.unpack(f"{order}H", head[124:126])
    if version != VERSION:
        raise ValueError("a MATLAB file of version 7.3, which is not read")
    return order


def _variables(file: BufferedReader, order: str, path: Path) -> Iterator[memoryview]:
    """The content of each variable, unpacked."""
    size = os.fstat(file.fileno()).st_size
    while tag := file.read(8):
        if len(tag) < 8:
            raise EOFError
        kind, count = struct.unpack(f"{order}II", tag)
        if kind not in (MATRIX, COMPRESSED) or count > size - file.tell():
            raise ValueError("damaged, or it ends too early")
        if kind == MATRIX:
            plain = bytearray(count)
            yield memoryview(plain)[: file.readinto(plain)]
            continue
        data = memoryview(_unpacked(file, count, path))
        inner, length = struct.unpack_from(f"{order}II", data)
        if inner != MATRIX or length > len(data) - 8:
            raise ValueError("damaged: a compressed variable is not whole")
        yield data[8 : 8 + length]


def _unpacked(file: BinaryIO, count: int, path: Path) -> bytearray:
    """What the next ``count`` bytes unpack to; a piece at a time, as small ones may hold much."""
    unpacker, made, left = zlib.decompressobj(), bytearray(), count
    while left and not unpacker.eof:
        piece = file.read(min(CHUNK, left))
        left -= len(piece)
        while piece:
            made += unpacker.decompress(piece, 16 * CHUNK)
            piece = unpacker.unconsumed_tail
            if len(made) > limits.PACKED * count:
                limits.check("GCSA_MAX_UNPACKED", len(made), path)
    file.seek(left, os.SEEK_CUR)
    made += unpacker.flush()
    return made


class _Elements:
    """The elements of a variable, one after the other."""

    def __init__(self, data: memoryview, order: str):
        self.data, self.order, self._place = data, order, 0

    def left(self) -> int:
        return len(self.data) - self._place

    def take(self) -> tuple[int, memoryview]:
        """(type, content) of the next; a short one stands within its tag."""
        (word,) = struct.unpack_from(f"{self.order}I", self.data, self._place)
        if word >> 16:
            kind, count, start, step = word & 0xFFFF, word >> 16, self._place + 4, 8
        else:
            kind = word
            (count,) = struct.unpack_from(f"{self.order}I", self.data, self._place + 4)
            start, step = self._place + 8, 8 + count + -count % 8
        if start + count > len(self.data) or (word >> 16 and count > 4):
            raise ValueError("damaged: an element reaches beyond its variable")
        self._place += step
        return kind, self.data[start : start + count]

    def numbers(self) -> np.ndarray:
        """The numbers (n,) of the next element, as they are stored."""
        kind, content = self.take()
        if kind not in NUMBERS:
            raise ValueError(f"damaged: an element of type {kind}, expected numbers")
        return np.frombuffer(content, f"{self.order}{NUMBERS[kind]}")

    def text(self) -> str:
        """The text of the next element."""
        kind, content = self.take()
        if kind not in TEXTS:
            raise ValueError(f"damaged: an element of type {kind}, expected text")
        encoding = TEXTS[kind]
        if encoding in ("utf-16", "utf-32"):
            encoding += "-le" if self.order == "<" else "-be"
        return str(content, encoding)

    def array(self, depth: int) -> Any:
        """The value of the next element, which is an array of any class."""
        kind, content = self.take()
        if kind != MATRIX:
            raise ValueError(f"damaged: an element of type {kind}, expected an array")
        if not content:  # as a cell is that was never set
            return np.empty((0, 0))
        if depth > DEPTH:
            raise ValueError(f"cells in cells, more than {DEPTH} deep")
        inner = _Elements(content, self.order)
        kind, is_complex, shape, _ = _head(inner)
        return _value(inner, kind, is_complex, shape, depth)


def _variable(elements: _Elements, names: Container[str] | None) -> tuple[str, Any]:
    kind, is_complex, shape, name = _head(elements)
    if names is not None and name not in names:
        return "", None
    return name, _value(elements, kind, is_complex, shape, 0)


def _head(elements: _Elements) -> tuple[int, bool, tuple[int, ...], str]:
    """(class, whether it is complex, shape, name) of an array."""
    flags = int(elements.numbers()[0])
    kind = flags & 0xFF
    shape = () if kind == OPAQUE else tuple(map(int, elements.numbers()))
    if kind != OPAQUE and (len(shape) < 2 or min(shape) < 0):
        raise ValueError(f"damaged: an array of shape {shape}")
    return kind, bool(flags & COMPLEX), shape, elements.text()


def _value(
    elements: _Elements, kind: int, is_complex: bool, shape: tuple[int, ...], depth: int
) -> Any:
    if kind in NUMERIC:
        return _numbers(elements, NUMERIC[kind], is_complex, shape)
    if kind == CHAR:
        text = elements.text() if math.prod(shape) else ""
        return text if shape[0] <= 1 else np.array(list(text)).reshape(shape, order="F")
    if kind == CELL:
        return _filled(elements, shape, 1, lambda: elements.array(depth + 1))
    if kind == STRUCT:
        fields = _fields(elements)
        made = _filled(
            elements, shape, len(fields), lambda: {f: elements.array(depth + 1) for f in fields}
        )
        return made.item() if made.size == 1 else made
    return Foreign()


def _numbers(
    elements: _Elements, kind: str, is_complex: bool, shape: tuple[int, ...]
) -> np.ndarray:
    """Numbers of the array's class, which are stored in the least that holds them."""
    found = elements.numbers().astype(kind, copy=False)
    if is_complex:
        found = found + 1j * elements.numbers()
    return found.reshape(shape, order="F")


def _fields(elements: _Elements) -> list[str]:
    """The names of a struct's fields, each in as many bytes, which end with a zero."""
    lengths = elements.numbers()
    _, text = elements.take()
    length = int(lengths[0])
    if length < 1:
        raise ValueError(f"damaged: names of fields of {length} bytes")
    named = [bytes(text[i : i + length]) for i in range(0, len(text), length)]
    return [str(name.split(b"\0")[0], "utf-8") for name in named]


def _filled(elements: _Elements, shape: tuple[int, ...], width: int, next_item: Any) -> np.ndarray:
    """An object array of what follows; each item takes ``width`` elements of 8 bytes or more."""
    count = math.prod(shape)
    if count > 1 and (not width or 8 * width * count > elements.left()):
        raise ValueError(f"damaged: {count} cells are said to be there, there is no room for them")
    made = np.empty(count, dtype=object)
    for i in range(count):
        made[i] = next_item()
    return made.reshape(shape, order="F")
