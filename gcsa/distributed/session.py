"""A name for the time that some processes work together, which no earlier ones had.

torchrun keeps one store for all its attempts: what the processes of an earlier attempt left there,
addresses and counts, the later ones would take for their own.
"""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

from torch._C._distributed_c10d import Store

LOOK = 0.01  # seconds between two looks at the store


def session(store: Store, rank: int, size: int, timeout: timedelta) -> str:
    """The name, the same in all ``size`` processes of now; RuntimeError where one does not come.

    Each of the others says its own random word, by which the first, which may read that of an
    earlier attempt before, answers with the name, until it has been confirmed.
    """
    own = uuid.uuid4().hex
    if rank > 0:
        store.set(f"gcsa/hello/{rank}", own)
        name = store.get(f"gcsa/session/{own}").decode()
        store.set(f"gcsa/known/{name}/{rank}", "")
        return name
    end = time.monotonic() + timeout.total_seconds()
    for other in range(1, size):
        _greet(store, other, own, end)
    return own


def _greet(store: Store, other: int, name: str, end: float) -> None:
    """Tell another process the name."""
    answered = b""
    while not store.check([f"gcsa/known/{name}/{other}"]):
        if (hello := store.get(f"gcsa/hello/{other}")) != answered:
            store.set(f"gcsa/session/{hello.decode()}", name)
            answered = hello
        if time.monotonic() > end:
            raise RuntimeError(f"Timed out: process {other} did not come")
        time.sleep(LOOK)
