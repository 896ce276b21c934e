"""Reading pickles of others without running what they ask for.

A pickle can name any function and have it called. Here it gets plain containers, numbers, strings
and NumPy arrays, and classes that the caller has a harmless replacement for; whatever else it
names is refused, with its name, before anything is called. Arrays are rebuilt from their bytes by
code of this module, which copies them first: what NumPy restores by itself can be told to read
beyond them. :mod:`gcsa.files.unpickler` is the machine that reads the opcodes.
"""

from __future__ import annotations

import math
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from gcsa.errors import InputError, given
from gcsa.files import limits, reading
from gcsa.files.unpickler import Allowed, PickleError, Unpickler, check_keys

ByteOrder = Literal["=", "<", ">", "|"]

# Types of an array's items: NumPy's letter, the size in bytes or letters.
ITEMS = re.compile(r"[biufcSUO]\d*")


class Promise:
    """Stands in an unpickled object for what can be made only when the whole file is read."""

    def kept(self, finish: Callable[[Any], Any]) -> Any:
        """What takes its place; ``finish`` does the same for what is within it."""
        raise NotImplementedError


class Attributes:
    """Stands for an object of a class that is not imported: its attributes, and nothing else."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def load(path: str | os.PathLike, allow: Allowed | None = None) -> Any:
    """The object of a pickle file.

    allow: {("module", "Class"): replacement} for further names that the file may use, "*" for all
    of a library's; an :class:`Attributes` takes what the class would have stored. Strings of
    Python 2 are read as Latin-1. Arrays may be read-only.

    Raises InputError, naming the file, where it is no whole pickle or names something else.
    """
    return reader(path, lambda file, size: PlainUnpickler(file, size, allow).load())


def reader(path: str | os.PathLike, read: Callable[[IO[bytes], int], Any]) -> Any:
    """What ``read(file, size)`` unpickles of a file, with arrays in place; its faults in a line."""
    expected = "a whole pickle of plain values and arrays"
    with reading(path, expected), open(path, "rb") as file:
        limits.check_archive(path)
        try:
            return _Finish()(read(file, Path(path).stat().st_size))
        except PickleError as error:
            raise InputError(f"{path}: {error}") from None


class PlainUnpickler(Unpickler):
    def __init__(self, file: IO[bytes], size: int, allow: Allowed | None):
        super().__init__(file, size, {**NAMES, **(allow or {})}, (_Array, _Items, Attributes))


class _Items:
    """The type of an array's items, in place of a ``numpy.dtype``: a code and a byte order."""

    def __init__(self, code: str, *flags: Any):
        if not ITEMS.fullmatch(code):
            raise PickleError(f"refused, the pickle holds an array of type '{code}'")
        self.code = code
        self.order: ByteOrder = "="

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def dtype(self) -> np.dtype:
        return np.dtype(self.code).newbyteorder(self.order)


class _Array(Promise):
    """An array before its state has come, which is (version, shape, type, Fortran order, data)."""

    def __init__(self, *empty: Any):
        self.state: tuple | None = None

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def kept(self, finish: Callable[[Any], Any]) -> np.ndarray:
        _, shape, items, fortran, data = given(self.state, "an array's state")
        return _array(shape, items, fortran, finish(data))  # the data of objects is a list


def _scalar(items: _Items, data: bytes | str) -> Any:
    return _array((), items, False, data)[()]


def _from_buffer(data: Any, items: _Items, shape: tuple, order: str) -> _Array:
    """An array as protocol 5 spells it; like any other it is made once the pickle is at its end."""
    made = _Array()
    made.state = (1, shape, items, order == "F", _own(data))
    return made


def _own(data: Any) -> bytes:
    """An array's data as bytes that nobody else can change.

    A pickle may make a bytearray longer after it has handed it over: its memory then moves, and
    an array laid over it would be of memory that is free.
    """
    if isinstance(data, str):  # of Python 2
        return data.encode("latin1")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise PickleError(f"damaged, the data of an array is of type {type(data).__name__}")
    return bytes(data)


def _array(shape: tuple, items: _Items, fortran: bool, data: Any) -> np.ndarray:
    order: Literal["C", "F"] = "F" if fortran else "C"
    dtype = items.dtype()
    data = data if dtype.hasobject else _own(data)
    if len(data) != math.prod(shape) * (1 if dtype.hasobject else dtype.itemsize):
        raise PickleError(
            f"damaged, an array of shape {shape} and type {dtype} has {len(data)} bytes"
        )
    if not dtype.hasobject:
        return np.ndarray(shape, dtype, data, order=order)
    array = np.empty(len(data), dtype=object)
    for place, value in enumerate(data):
        array[place] = value
    return array.reshape(shape, order=order)


def _encoded(text: str, encoding: str) -> bytes:
    """Bytes, which the old protocols spell as a text to be encoded; no other codec is needed."""
    if encoding not in ("latin1", "latin-1"):
        raise PickleError(f"refused, the pickle asks for the encoding {encoding}")
    return text.encode("latin1")


def _bytes(content: str | bytes = b"", encoding: str = "latin1") -> bytes:
    """Bytes of what is there, never so many new ones."""
    if isinstance(content, str):
        return _encoded(content, encoding)
    if not isinstance(content, bytes):
        raise PickleError(f"damaged, bytes of an object of type {type(content).__name__}")
    return content


def _bytearray(*content: Any) -> bytearray:
    return bytearray(_bytes(*content))


def _set(items: Iterable[Any] = ()) -> set[Any]:
    check_keys(items := list(items))
    return set(items)


def _frozenset(items: Iterable[Any] = ()) -> frozenset[Any]:
    return frozenset(_set(items))


def _ordered(pairs: Iterable[Any] = ()) -> OrderedDict[Any, Any]:
    pairs = [(key, value) for key, value in pairs]
    check_keys(key for key, _ in pairs)
    return OrderedDict(pairs)


def _complex(real: float, imaginary: float) -> complex:
    return complex(real, imaginary)


BUILTINS = {
    "set": _set,
    "frozenset": _frozenset,
    "complex": _complex,
    "bytes": _bytes,
    "bytearray": _bytearray,
}
NAMES: Allowed = {
    ("_codecs", "encode"): _encoded,
    ("collections", "OrderedDict"): _ordered,
    # Handed to _reconstruct and looked at by nobody.
    ("numpy", "ndarray"): "numpy.ndarray",
    ("numpy", "dtype"): _Items,
    **{
        (f"numpy.{core}.{module}", name): made
        for core in ("core", "_core")
        for module, name, made in (
            ("multiarray", "_reconstruct", _Array),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
    **{
        (module, name): made
        for module in ("builtins", "__builtin__")
        for name, made in BUILTINS.items()
    },
}


class _Finish:
    """Puts arrays in place of what stands for them, all through an unpickled object."""

    def __init__(self) -> None:
        self.done: dict[int, tuple[Any, Any]] = {}  # by id; what it was is kept alive beside it

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, (Promise, _Items, Attributes, tuple, list, dict)):
            return value
        if id(value) not in self.done:
            # A container that holds itself finds itself here.
            self.done[id(value)] = value, value
            self.done[id(value)] = value, self._finished(value)
        return self.done[id(value)][1]

    def _finished(self, value: Any) -> Any:
        if isinstance(value, Promise):
            return value.kept(self)
        if isinstance(value, _Items):
            return value.dtype()
        if isinstance(value, tuple):
            return tuple(self(item) for item in value)
        if isinstance(value, list):
            value[:] = [self(item) for item in value]
        elif isinstance(value, dict):
            for key in value:
                value[key] = self(value[key])
        else:
            self(vars(value))
        return value
