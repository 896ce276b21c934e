"""Packages that are not installed with the others."""

from __future__ import annotations

import importlib
from types import ModuleType

from gcsa.errors import InputError


def package(module: str, name: str) -> ModuleType:
    """An optional package; InputError, which says how to install it, where it lacks."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"local features need {name}, which is not installed ({error}); "
            "pip install gcsa[localize] brings what the default needs"
        ) from error
