"""The posterior on two sets of real photos, read where they are; skipped, and said so, elsewhere.

The bounds are below what docs/real_photos.md reports: figures of the first round exactly, those of
the posterior with a query or two to spare.
"""

import importlib.util
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import gcsa
from gcsa.evaluation.confidence import auc_pr

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"


@cache
def photos(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"the photos of {name} are not here; docs/real_photos.md says where they are")
    spec = importlib.util.spec_from_file_location("photos", ROOT / "benchmarks" / "photos.py")
    module = sys.modules["photos"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SETS[name](DATA)


@cache
def calibration(name):
    return photos(name).calibrated()


@cache
def lists(name, method, objective="precision"):
    given = {}
    if method == "posterior":
        given = {"calibration": calibration(name), "objective": objective}
    return photos(name).rank(method, **given)


def measured(name, method, objective="precision"):
    figures = gcsa.measure(lists(name, method, objective), photos(name).relevant)
    return {key: 100 * value for key, value in figures.items()}


# Of posterior.md's first round: recall@1, @5, @10, mAP@10. Images, queries, those with a relevant.
FIRST = {
    "real_iiith_campus": ([28.9, 54.9, 66.7, 8.9], [361, 361, 357]),
    "real_library_floor": ([37.7, 54.5, 66.2, 17.1], [189, 84, 77]),
}
# recall@1 and mAP@10 of precision, recall@10 of recall.
LEAST = {
    "real_iiith_campus": [30.2, 28.0, 69.7],
    "real_library_floor": [40.2, 35.0, 67.5],
}


@pytest.mark.parametrize("name", FIRST)
def test_the_first_round_is_the_one_that_was_measured(name):
    figures, counts = FIRST[name]
    read = photos(name)
    assert [len(read.database), len(read.queries), read.relevant.any(1).sum()] == counts
    found = measured(name, None)
    keys = ("recall@1", "recall@5", "recall@10", "mAP@10")
    np.testing.assert_allclose([found[key] for key in keys], figures, atol=0.06)


@pytest.mark.parametrize("name", LEAST)
def test_the_posterior_finds_more_places_and_more_photos_of_them(name):
    first, near = measured(name, None), measured(name, "neighbours")
    found, wide = measured(name, "posterior"), measured(name, "posterior", "recall")
    reached = [found["recall@1"], found["mAP@10"], wide["recall@10"]]
    assert (np.array(reached) >= LEAST[name]).all(), reached
    assert found["recall@1"] > first["recall@1"] == near["recall@1"]
    assert found["mAP@10"] > near["mAP@10"] and found["mAP@10"] > 2 * first["mAP@10"]
    assert wide["recall@10"] > first["recall@10"] > near["recall@10"]


@pytest.mark.parametrize("name", LEAST)
def test_its_confidence_tells_more_than_similarity(name):
    read, first, found = photos(name), lists(name, None), lists(name, "posterior")
    each = np.arange(len(read.queries))
    right, before = (read.relevant[each, r.indices[:, 0]] for r in (found, first))
    assert auc_pr(found.confidence, right) > auc_pr(first.scores[:, 0], before)


def test_no_photo_of_the_same_photographer_is_listed():
    """What leaves one out leaves the others out, too, whichever way the lists are made."""
    read = photos("real_iiith_campus")
    for method in (None, "neighbours", "posterior", "dba"):
        rows = lists("real_iiith_campus", method).indices
        listed = np.where(rows >= 0, read.groups[rows], -1)
        assert (listed != read.groups[:, None]).all(), method


def test_what_reads_the_whole_database_reads_none_of_the_same_photographer():
    """Of one photographer's queries, the lists are those of a database without him."""
    read = photos("real_iiith_campus")
    mine = read.groups == read.groups[0]
    alone = gcsa.rank(read.queries[mine], read.database[~mine], "dba", candidates=read.depth)
    found = lists("real_iiith_campus", "dba").indices[mine]
    np.testing.assert_array_equal(found, np.flatnonzero(~mine)[alone.indices])
