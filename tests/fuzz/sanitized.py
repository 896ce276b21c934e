"""pytest with the kernels of the folder $SANITIZED."""

from __future__ import annotations

import os
import sys

import pytest

import gcsa

gcsa.__path__.insert(0, os.environ["SANITIZED"])

from gcsa import _kernels  # noqa: E402

if __name__ == "__main__":
    assert _kernels.__file__.startswith(os.environ["SANITIZED"]), _kernels.__file__
    sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *sys.argv[1:]]))
