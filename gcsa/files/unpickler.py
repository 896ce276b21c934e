"""The machine of a pickle, opcode by opcode, with less than Python's own allows.

It is the one of the standard library in Python, not in C: nothing in it can reach memory that is
not its own, and its memo is a dict, which an index of four billion does not make larger. On top of
that only lists, dicts and sets are filled, only what was handed out by name is called and given a
state, keys are small, and calls get no more data than the file has.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import IO, Any

Allowed = Mapping[tuple[str, str], Any]

# Parts of a key that is a tuple: what is within another is hashed anew each time, so that tuples
# that hold one twice, and that again, take for ever.
KEY_PARTS = 1000
# How many times the size of the file calls may get as data; the same bytes may be used again.
COPIES = 4
LEAST = 1 << 20


class PickleError(Exception):
    """Why a pickle is not read, in words that the file name goes before."""


class Aside:
    """Stands for an object that is of no use here: it takes all, and keeps nothing."""

    def __init__(self, *args: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass

    def update(self, values: Any) -> None:
        pass


# The name of it is the library's own, but it is there since Python 3.0.
_Machine: Any = vars(pickle)["_Unpickler"]


class Unpickler(_Machine):
    """size: bytes of the file. allowed: what the names in it stand for; all others are refused.

    In ``allowed``, "*" is all names of a library. stateful: the classes whose objects may be given
    a state; they have a ``__setstate__``.
    """

    def __init__(self, file: IO[bytes], size: int, allowed: Allowed, stateful: tuple[type, ...]):
        super().__init__(file, encoding="latin1")
        self._allowed, self._stateful = allowed, stateful
        self._left = max(COPIES * size, LEAST)

    def find_class(self, module: str, name: str) -> Any:
        for key in ((module, name), (module.split(".")[0], "*")):
            if key in self._allowed:
                return self._allowed[key]
        raise PickleError(f"refused, the pickle asks for {module}.{name}")

    def call(self, function: Any, arguments: Iterable[Any]) -> Any:
        """What a function or class that was handed out makes of the arguments."""
        if not callable(function):
            raise PickleError(f"refused, the pickle calls something of type {_kind(function)}")
        given = tuple(arguments)
        self._left -= sum(len(item) for item in given if hasattr(item, "__len__"))
        if self._left < 0:
            raise PickleError("refused, the pickle makes more data than the file has")
        return function(*given)

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self.call(self.stack[-1], arguments)

    def load_newobj(self) -> None:
        self.load_reduce()

    def load_newobj_ex(self) -> None:
        if self.stack.pop():
            raise PickleError("refused, the pickle calls with named arguments")
        self.load_reduce()

    def _instantiate(self, function: Any, arguments: list[Any]) -> None:
        self.append(self.call(function, arguments))

    def load_build(self) -> None:
        state = self.stack.pop()
        made = self.stack[-1]
        if type(made) is OrderedDict:  # torch's state dicts, with the versions of their layers
            return
        if not isinstance(made, Aside) and type(made) not in self._stateful:
            raise PickleError(f"refused, the pickle alters an object of type {_kind(made)}")
        made.__setstate__(state)

    def get_extension(self, code: int) -> None:
        raise PickleError(f"refused, the pickle asks for extension {code}")

    def load_bytearray8(self) -> None:
        # Read before it is reserved, as its length is only said.
        count = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(count)))

    def _into(self, target: Any, kind: type) -> None:
        if not isinstance(target, kind | Aside):
            raise PickleError(f"refused, the pickle alters an object of type {_kind(target)}")

    def load_append(self) -> None:
        self._into(self.stack[-2], list)
        super().load_append()

    def load_appends(self) -> None:
        self._into(self.metastack[-1][-1], list)
        super().load_appends()

    def load_setitem(self) -> None:
        self._into(self.stack[-3], dict)
        check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        self._into(self.metastack[-1][-1], dict)
        check_keys(self.stack[::2])
        super().load_setitems()

    def load_dict(self) -> None:
        check_keys(self.stack[::2])
        super().load_dict()

    def load_additems(self) -> None:
        self._into(self.metastack[-1][-1], set)
        check_keys(self.stack)
        super().load_additems()

    def load_frozenset(self) -> None:
        check_keys(self.stack)
        super().load_frozenset()


# The opcodes by the methods above, where there is one.
Unpickler.dispatch = {
    code: getattr(Unpickler, method.__name__) for code, method in _Machine.dispatch.items()
}


def check_keys(keys: Iterable[Any]) -> None:
    """PickleError where a key, of a dict or a set, has very many parts."""
    for key in keys:
        if type(key) is not str:
            _check_key(key)


def _check_key(key: Any) -> None:
    parts, todo = 0, [key]
    while todo:
        item = todo.pop()
        if isinstance(item, int):
            parts += item.bit_length() // 64
        elif isinstance(item, tuple | frozenset):
            parts += len(item)
            todo += item if parts <= KEY_PARTS else ()
        if parts > KEY_PARTS:
            raise PickleError(f"refused, the pickle has a key of more than {KEY_PARTS} parts")


def _kind(value: Any) -> str:
    return type(value).__name__
