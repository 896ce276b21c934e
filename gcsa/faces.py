"""The face of a package: what it shows of its modules, imported when it is first asked for.

So that ``python -m`` and ``gcsa``, which import a program's package, need not import all of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def face(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package. homes: {name that it shows: module in it that has it}."""

    def shown(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return shown
