"""Counted inliers on disk: read again, and only where they are still true."""

import logging
import os
import sqlite3
from multiprocessing import get_context

import numpy as np
import pytest
from hloc_inputs import write_shifted

from gcsa.errors import InputError
from gcsa.local.counts import Counts
from gcsa.local.kept import Kept

pytest.importorskip("poselib", reason="pip install gcsa[localize]")

A, B = np.array(["a", "a", "b"]), np.array(["b", "c", "c"])


@pytest.fixture
def features(tmp_path):
    write_shifted(tmp_path / "f.h5", {"a": (0, 0), "b": (7, 3), "c": None})
    return tmp_path / "f.h5"


def spied(counts, monkeypatch):
    """The pairs that are counted, not read."""
    pairs, count = [], counts._count
    monkeypatch.setattr(counts, "_count", lambda a, b: pairs.append((a, b)) or count(a, b))
    return pairs


def test_a_second_program_counts_nothing(features, monkeypatch):
    first = Counts(features).inliers(A, B)
    second = Counts(features)
    counted = spied(second, monkeypatch)
    assert second.inliers(A, B).tolist() == first.tolist() and first[0] == 40
    assert counted == []


def test_what_takes_the_time_counts_anew(features, monkeypatch):
    known = Counts(features)
    known.inliers(A, B)
    anew = known.anew()
    counted = spied(anew, monkeypatch)
    anew.inliers(A, B), anew.inliers(A, B)
    assert counted == [("a", "b"), ("a", "c"), ("b", "c")]


def test_other_features_or_another_model_count_anew(features, monkeypatch):
    Counts(features).inliers(A, B)
    planar = Counts(features, model="homography")
    counted = spied(planar, monkeypatch)
    planar.inliers(A, B)
    assert len(counted) == 3
    features.unlink()  # the first two have it open
    write_shifted(features, {"a": None, "b": (7, 3), "c": None})
    changed = Counts(features)
    counted = spied(changed, monkeypatch)
    changed.inliers(A, B)
    assert len(counted) == 3
    with sqlite3.connect(features.with_name("f.h5.counts")) as file:
        assert file.execute("select count(*) from counts").fetchone() == (3,)


def test_images_without_features_are_asked_for_again(features, caplog):
    for _ in range(2):
        caplog.clear()
        assert np.isnan(Counts(features).inliers(np.array(["a"]), np.array(["gone"]))).all()
        assert "lacks 1 images, such as gone" in caplog.text


def test_another_file_of_that_name_is_one_line(features):
    features.with_name("f.h5.counts").write_text("no database" * 100)
    with pytest.raises(InputError, match=r"f\.h5\.counts: .*expected inliers that gcsa counted"):
        Counts(features).inliers(A, B)


def test_where_nothing_can_be_written_it_is_said(features, caplog):
    features.with_name("f.h5.counts").mkdir()
    with caplog.at_level(logging.WARNING):
        counts = Counts(features)
        assert counts.inliers(A, B)[0] == 40 and counts.inliers(A, B)[0] == 40
    assert caplog.text.count("inliers are counted anew by each program") == 1


def add(path, features, number):
    kept = Kept(features, None, "way", path)
    for row in range(20):
        kept.add({(f"{number}", f"{row}"): row})


def test_processes_write_side_by_side(features, tmp_path):
    path = tmp_path / "counts"
    processes = [get_context("fork").Process(target=add, args=(path, features, n)) for n in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    kept = Kept(features, None, "way", path)
    asked = [(n, str(row)) for n in "12" for row in range(20)]
    assert kept.known(asked) == {(n, row): float(row) for n, row in asked}


def test_a_process_of_its_own_has_a_connection_of_its_own(features, tmp_path):
    kept = Kept(features, None, "way", tmp_path / "counts")
    kept.add({("a", "b"): 7})
    number = os.fork()
    if number == 0:
        kept.add({("a", "c"): 8})
        os._exit(0)
    assert os.waitpid(number, 0)[1] == 0
    assert kept.known([("a", "b"), ("a", "c")]) == {("a", "b"): 7, ("a", "c"): 8}
