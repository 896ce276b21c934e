"""Processes that work together agree on a name, whatever earlier ones have left in the store."""

import threading
from datetime import timedelta

import pytest
import torch.distributed as dist

from gcsa.distributed.session import session


def together(store, size, timeout=600.0):
    """What each of ``size`` processes finds; the first begins last of all, or first."""
    names = {}

    def run(rank):
        names[rank] = session(store, rank, size, timedelta(seconds=timeout))

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return names


def test_each_attempt_has_a_name_of_its_own():
    store, known = dist.HashStore(), set()
    for size in (1, 4, 4, 2, 4):  # the same store again, as torchrun keeps it
        names = together(store, size)
        assert len(names) == size and len(set(names.values())) == 1
        assert not known & set(names.values())
        known |= set(names.values())


def test_one_that_does_not_come_is_told_of():
    store = dist.HashStore()
    together(store, 2)
    with pytest.raises(RuntimeError, match="Timed out: process 1 did not come"):
        session(store, 0, 2, timedelta(seconds=0.05))
