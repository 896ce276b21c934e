"""The core of gcsa serve: places, batches, the end; without a network."""

import contextlib
import threading

import pytest

from gcsa.serve.batching import Batcher, BusyError, Pace, StoppingError


class Worker:
    """Answers twice a number, once it may; what it was asked together, in turn."""

    def __init__(self):
        self.go, self.batches = threading.Event(), []

    def __call__(self, items):
        self.go.wait()
        self.batches.append(list(items))
        if "poison" in items:
            raise RuntimeError("poison")
        return [ValueError("odd") if item % 2 else 2 * item for item in items]


@pytest.fixture
def begun():
    """Starts a batcher; all that were started have ended at the end."""
    started = []

    def begin(size=4, places=8, **more):
        worker = Worker()
        started.append((worker, Batcher(worker, Pace(size, 60.0, places), **more)))
        return started[-1]

    yield begin
    for worker, batcher in started:
        worker.go.set()
        batcher.stop()
        batcher.join()


def held(batcher, count):
    """So many places, taken."""
    stack = contextlib.ExitStack()
    for _ in range(count):
        stack.enter_context(batcher.place())
    return stack


def test_items_are_answered_in_their_order_and_together(begun):
    counted = []
    worker, batcher = begun(measured=lambda count, seconds: counted.append((count, seconds >= 0)))
    with held(batcher, 8):
        futures = [batcher.ask(item) for item in range(0, 16, 2)]
        worker.go.set()
        assert [future.result() for future in futures] == list(range(0, 32, 4))
    assert worker.batches == [[0, 2, 4, 6], [8, 10, 12, 14]]
    batcher.stop()
    batcher.join()
    assert counted == [(4, True), (4, True)]


def test_nobody_is_waited_for_who_is_not_inside(begun):
    worker, batcher = begun()  # it would wait for a minute
    worker.go.set()
    with held(batcher, 2):
        futures = batcher.ask(2), batcher.ask(4)
        assert [future.result(30) for future in futures] == [4, 8]
    assert worker.batches == [[2, 4]]


def test_one_item_does_not_spoil_others(begun):
    worker, batcher = begun(size=3)
    with held(batcher, 6):
        futures = [batcher.ask(item) for item in (2, "poison", 4, 6, 3, 8)]
        worker.go.set()
        assert [futures[n].result() for n in (0, 2, 3, 5)] == [4, 8, 12, 16]
        with pytest.raises(RuntimeError, match="poison"):
            futures[1].result()
        with pytest.raises(ValueError, match="odd"):
            futures[4].result()
    assert worker.batches == [[2, "poison", 4], [2], ["poison"], [4], [6, 3, 8]]


def test_places_are_bounded(begun):
    _, batcher = begun(places=3)
    with held(batcher, 3):
        assert batcher.inside == 3
        with pytest.raises(BusyError) as busy, batcher.place():
            pytest.fail("one too many was let in")
        assert 1 <= busy.value.seconds <= 60
    with batcher.place():
        assert batcher.inside == 1


def test_the_end_waits_for_those_inside(begun):
    worker, batcher = begun()
    ended = threading.Thread(target=batcher.join)
    with held(batcher, 2):
        first = batcher.ask(2)
        batcher.stop()
        with pytest.raises(StoppingError), batcher.place():
            pytest.fail("one was let in after the end")
        worker.go.set()
        second = batcher.ask(4)  # who is inside may ask yet
        ended.start()
        assert (first.result(), second.result()) == (4, 8)
        assert ended.is_alive()
    ended.join()
    assert batcher.inside == batcher.waiting == 0 and batcher.stopping


def test_who_left_is_passed_over(begun):
    worker, batcher = begun()
    with held(batcher, 2):
        gone, left = batcher.ask(2), batcher.ask(4)
        gone.cancel()
        worker.go.set()
        assert left.result() == 8
