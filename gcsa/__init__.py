"""Where a photo was taken: re-ranking for visual place recognition with side information.

What :data:`__all__` names is the public face, arrays in and arrays out; everything else may change
without notice. ``import gcsa`` is light: what needs torch is imported when it is first asked for.

>>> import gcsa
>>> ranking = gcsa.rank([[1.0, 0.0]], [[0.6, 0.8], [1.0, 0.0]])
>>> ranking.indices.tolist()
[[1, 0]]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcsa.front import Checkpoint, fit, load, measure, overlap, rank
    from gcsa.places.calibration import Calibration
    from gcsa.places.located import Located
    from gcsa.ranking.lists import Ranking

__version__ = "0.1.0"
__all__ = [
    "Calibration",
    "Checkpoint",
    "Located",
    "Ranking",
    "fit",
    "load",
    "measure",
    "overlap",
    "rank",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from gcsa import front

        return getattr(front, name)
    raise AttributeError(f"module 'gcsa' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
