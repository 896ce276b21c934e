"""Timestamps of kapture's records as microseconds.

kapture leaves their unit open, and files of one folder may differ. A header may tell it
(``# timestamp [us], device_id, ...``, as ``gcsa export`` writes); else Unix times of this century
are told by their size. Of what is neither, numbers of images perhaps, equal ones alone mean
something.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np

from gcsa.files import read_text

logger = logging.getLogger(__name__)

# Microseconds of a unit, as a fraction.
UNITS = {"s": (1_000_000, 1), "ms": (1000, 1), "us": (1, 1), "ns": (1, 1000)}
SECONDS = (946_684_800, 4_102_444_800)  # Unix times of the years 2000 and 2100
TOLD = re.compile(r"timestamp\s*\[(s|ms|us|ns)\]")
HEADER = 4096  # characters of a file in which its header lies


def microseconds(path: Path, timestamps: np.ndarray) -> tuple[np.ndarray, bool]:
    """Timestamps (m,) int64 of a file as microseconds, and whether their unit is known."""
    unit = _told(path) or _by_size(timestamps)
    if unit is None:
        if len(timestamps):
            text = "%s: timestamps are no Unix times in s, ms, us or ns; equal ones alone are used"
            logger.info(text, path)
        return timestamps, False
    factor, divisor = UNITS[unit]
    return timestamps * factor // divisor, True


def _told(path: Path) -> str | None:
    header = [line for line in read_text(path)[:HEADER].split("\n") if line.startswith("#")]
    found = TOLD.search("\n".join(header))
    return found[1] if found else None


def _by_size(timestamps: np.ndarray) -> str | None:
    if not len(timestamps):
        return None
    middle = float(np.median(timestamps))
    for unit, (factor, divisor) in UNITS.items():
        if SECONDS[0] <= middle * factor / divisor / 1e6 < SECONDS[1]:
            return unit
    return None
