"""Candidates by inliers; the affinity of the same name; inliers from files of features."""

import h5py
import numpy as np
import pytest
from hloc_inputs import write_shifted

from gcsa import rerankers
from gcsa.errors import InputError
from gcsa.local.counts import Counts
from gcsa.ranking.lists import Ranking
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.affinity import Lists, SideInformation
from gcsa.sideinfo.common import affinity
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule

COUNTS = np.array([[0, 30, 14, 20, np.nan], [3, 2, 60, 1, 0]])


class Table:
    about = "a table"

    def inliers(self, a, b):
        return np.array([COUNTS[int(x[1:]), int(y[1:])] for x, y in zip(a, b, strict=True)])


def scene(local=None):
    images = [
        ImageSet(np.array([f"{letter}{i}" for i in range(n)])) for letter, n in (("d", 5), ("q", 2))
    ]
    return Scene("s", *images, local=local)


LISTS = Ranking(np.array([[0, 1, 2, 3, 4], [4, 3, 2, -1, -1]]), np.zeros((2, 5), np.float32))


def apply(K=0, local=None, **settings):
    config = rerankers.known("geometric").config(K=K, **settings)
    given = scene(local), LISTS, config, Rule.of("dist"), FovConfig()
    return rerankers.apply("geometric", *given)


@pytest.mark.parametrize(
    "settings, first, second",
    [
        ({}, [1, 3, 2, 0, 4], [2, 3, 4, -1, -1]),
        ({"verified": 2}, [1, 0, 2, 3, 4], [3, 4, 2, -1, -1]),
        ({"K": 3}, [1, 2, 0, 3, 4], [2, 3, 4, -1, -1]),
    ],
)
def test_the_order_is_that_of_inliers(settings, first, second):
    found = apply(local=Table(), **settings)
    assert found.indices.tolist() == [first, second]


@pytest.mark.parametrize(
    "local, settings, said",
    [(None, {}, "data.local_fn"), (Table(), {"verified": 0}, "geometric.verified: 0 is less")],
)
def test_what_lacks_is_one_line(local, settings, said):
    with pytest.raises(InputError, match=said):
        apply(local=local, **settings)


def test_affinity_is_unknown_below_chance_and_rises():
    assert affinity(np.array([np.nan, 0, 14, 42])).tolist() == [0, 0, 0, 0.5]


def test_columns_hold_the_query_alone():
    side = SideInformation(scene(Table()), ["geometric"], FovConfig())
    (block,) = side.columns(Lists(np.array([0]), LISTS.indices[:1], K=3, L=2))
    expected = np.zeros((4, 3))
    expected[0], expected[:, 0] = [1, 0, affinity(np.array(30))], [1, 0, affinity(np.array(30)), 0]
    assert np.allclose(block, expected)
    nothing = SideInformation(scene(), ["geometric"], FovConfig())
    assert not nothing.columns(Lists(np.array([0]), LISTS.indices[:1], K=3, L=2)).any()


def test_counts_of_files(tmp_path, caplog):
    pytest.importorskip("poselib", reason="pip install gcsa[localize]")
    write_shifted(tmp_path / "f.h5", {"a": (0, 0), "b": (7, 3), "other": None})
    counts = Counts(tmp_path / "f.h5")
    found = counts.inliers(np.array(["a", "a", "a"]), np.array(["b", "other", "gone"]))
    assert found[0] == 40 and found[1] < 8 and np.isnan(found[2])
    assert "lacks 1 images, such as gone" in caplog.text
    assert counts.anew().about == counts.about
    first, second, good = counts.matched("a", "b")
    assert np.allclose(second - first, [7, 3]) and good.all()


def test_matches_of_others_are_read(tmp_path):
    pytest.importorskip("poselib", reason="pip install gcsa[localize]")
    write_shifted(tmp_path / "f.h5", {"a": (0, 0), "b": (7, 3)})
    partner = np.arange(40)
    partner[:15] = -1
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a/b/matches0"] = partner
    counts = Counts(tmp_path / "f.h5", tmp_path / "m.h5")
    assert counts.inliers(np.array(["a"]), np.array(["b"])) == 25
    assert "m.h5" in counts.about
