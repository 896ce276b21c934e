"""Work in pieces: claimed once each, cut the same way by any number of processes, known again."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from gcsa import distributed
from gcsa.distributed import work
from gcsa.distributed.marks import mark
from gcsa.errors import InputError


@pytest.fixture
def processes(monkeypatch):
    """Three processes in one, whose turn it is by ``turn``; one store."""
    counts, now = Counter(), {"rank": 0}

    def counted(key):
        counts[key] += 1
        return counts[key]

    monkeypatch.setattr(distributed, "size", lambda: 3)
    monkeypatch.setattr(distributed, "rank", lambda: now["rank"])
    monkeypatch.setattr(distributed, "counted", counted)
    # Each process counts its calls by itself.
    monkeypatch.setattr(work, "_calls", iter([0, 0, 0]))
    return now


def test_each_number_is_claimed_once_and_who_is_fast_does_more(processes):
    ways = {rank: work.claims(10) for rank in range(3)}
    found = {rank: [] for rank in ways}
    order = [0, 0, 1, 0, 2, 0, 0, 0, 0, 0]  # the first is fast
    for rank in order:
        processes["rank"] = rank
        found[rank].append(next(ways[rank]))
    for rank, way in ways.items():
        processes["rank"] = rank
        assert list(way) == []
    assert sorted(sum(found.values(), [])) == list(range(10))
    assert found[0][:3] == [0, 1, 2], "its own block, then the others'"
    assert found[1] == [3] and found[2] == [6]


def test_without_others_all_of_it_in_order():
    assert list(work.claims(4)) == [0, 1, 2, 3] and list(work.claims(0)) == []


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 512, 513, 100_000])
@pytest.mark.parametrize("multiple", [1, 32])
def test_pieces_are_all_rows_once(count, multiple):
    pieces = work.pieces_of(count, multiple)
    np.testing.assert_array_equal(np.concatenate(pieces), np.arange(count))
    assert all(len(piece) == len(pieces[0]) for piece in pieces[:-1])
    assert len(pieces) == 1 or len(pieces[0]) % multiple == 0


def test_pieces_keep_groups_together():
    random = np.random.default_rng(0)
    groups = random.integers(-1, 12, 300)
    pieces = work.pieces_of_groups(groups)
    assert len(pieces) > 5
    np.testing.assert_array_equal(np.sort(np.concatenate(pieces)), np.arange(300))
    for group in range(12):
        assert sum((groups[piece] == group).any() for piece in pieces) == 1


def test_what_is_divided_comes_in_the_order_of_its_rows():
    pieces = [np.array([3, 0]), np.array([4]), np.array([1, 2])]
    found = work.divided(pieces, lambda rows: {"a": 10 * rows, "b": rows[:, None]}, lambda: "x")
    assert found["a"].tolist() == [0, 10, 20, 30, 40]
    assert found["b"].tolist() == [[0], [1], [2], [3], [4]]


def test_a_piece_that_is_not_whole_is_made_again(tmp_path):
    path, made = tmp_path / "p.npz", []

    def make():
        made.append(1)
        return {"a": np.arange(3)}

    for _ in range(2):
        assert work._kept(path, make)["a"].tolist() == [0, 1, 2]
    assert len(made) == 1
    for content in (b"", path.read_bytes()[:-9]):
        path.write_bytes(content)
        assert work._kept(path, make)["a"].tolist() == [0, 1, 2]
    assert len(made) == 3


@dataclass
class Thing:
    a: object
    b: object = None


def test_marks_tell_inputs_apart(tmp_path):
    rows = np.arange(6.0)
    values = [
        rows, rows[:5], rows.astype(np.float32), rows.reshape(2, 3), Thing(rows), Thing(1, rows),
        {"a": 1}, {"a": 2}, {"b": 1}, [1, 2], [2, 1], [[1], 2], "12", 12, 12.5, None, True,
        frozenset("ab"), np.array(["a", "b"]),
    ]  # fmt: skip
    assert len({mark(value) for value in values}) == len(values)
    assert mark(Thing(rows.copy(), {"x": 1})) == mark(Thing(rows, {"x": 1}))
    np.save(tmp_path / "m.npy", rows)
    first = mark(np.load(tmp_path / "m.npy", mmap_mode="r"))
    assert first == mark(np.load(tmp_path / "m.npy", mmap_mode="r"))
    np.save(tmp_path / "m.npy", np.arange(7.0))
    assert first != mark(np.load(tmp_path / "m.npy", mmap_mode="r"))


def test_a_machine_with_a_disk_of_its_own_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "everyone", lambda own: [own, ("far", False)])
    with pytest.raises(InputError, match="machine far does not see what the first process writes"):
        work.check_shared(tmp_path)
    assert not list(tmp_path.iterdir())
