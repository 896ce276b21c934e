"""Several scenes as one: against NumPy, and against one scene whose parts lie far apart."""

import json

import numpy as np
import pytest
from worlds import write_world

from gcsa.__main__ import main
from gcsa.descriptors.stacked import Stacked, stacked
from gcsa.errors import InputError
from gcsa.places.calibration import Calibration
from gcsa.places.standing import area_of
from gcsa.ranking.index.settings import Searching
from gcsa.ranking.retrieval import retrieve
from gcsa.ranking.union import GAP, Union, retrieve_in_all
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule

DRIVES = np.arange(60) // 30


def images(prefix, count, seed, **known):
    rows = np.random.default_rng(seed).normal(size=(count, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    return ImageSet(np.array([f"{prefix}{i:03}" for i in range(count)]), rows, **known)


def city(name, seed, corner, devices=False):
    """A street of 60 images in two drives, 7 queries; corner: metres, the city's own frame."""
    random = np.random.default_rng(seed)
    places = corner + random.uniform(0, 300, (60, 2))
    database = images(
        "d",
        60,
        seed,
        positions=places,
        headings=random.uniform(0, 6, 60),
        sequences=np.arange(60) // 30,
    )
    known = {"positions": corner + random.uniform(0, 300, (7, 2))} if devices else {}
    return Scene(
        name, database, images("q", 7, seed + 50, headings=random.uniform(0, 6, 7), **known)
    )


def by_hand(scenes, offsets):
    """The same as one scene: every array put together, the positions moved."""
    sides = {}
    for side in ("database", "queries"):
        sets = [getattr(scene, side) for scene in scenes]
        known = {"headings": np.concatenate([s.headings for s in sets])}
        if all(s.positions is not None for s in sets):
            moved = [s.positions + o for s, o in zip(sets, offsets, strict=True)]
            known["positions"] = np.concatenate(moved)
        names = [f"{scene.name}/{n}" for scene in scenes for n in getattr(scene, side).names]
        rows = np.concatenate([s.descriptors for s in sets])
        sides[side] = ImageSet(np.array(names), rows, **known)
    starts = np.cumsum([0, *(len(scene.database) for scene in scenes)])
    return Scene("one", **sides, parts=tuple(starts))


def test_the_databases_are_searched_as_one():
    scenes = [Scene(f"s{i}", images("d", 20 + i, i), images("q", 3, 9 + i)) for i in range(3)]
    union = Union.of(scenes)
    found = retrieve_in_all(union, 12, search="fp32")
    rows = np.concatenate([s.database.descriptors for s in scenes]).astype(np.float32)
    asked = np.concatenate([s.queries.descriptors for s in scenes]).astype(np.float32)
    expected = np.argsort(-(asked @ rows.T), axis=1)[:, :12]
    np.testing.assert_array_equal(found.indices, expected)
    of = np.repeat([0, 1, 2], [20, 21, 22])
    np.testing.assert_array_equal(union.scene_of(found.indices), of[expected])
    assert list(union.own) == [0] * 3 + [1] * 3 + [2] * 3 and union.scene_of(np.array(-1)) == -1


def test_only_images_of_the_own_scene_are_the_queries_themselves():
    database = images("d", 8, 0)
    scenes = [Scene("a", database, database), Scene("b", images("d", 8, 1), images("q", 1, 9))]
    found = retrieve_in_all(Union.of(scenes), 20, search="fp32").indices
    for query in range(8):
        assert set(found[query]) == set(range(16)) - {query} | {-1}
    assert set(found[8]) == set(range(16)) | {-1}


@pytest.mark.parametrize("rule", ["dist@25", "fov"])
@pytest.mark.parametrize("devices", [False, True])
def test_a_union_is_one_scene_whose_parts_lie_far_apart(rule, devices):
    corners = np.array([[400_000.0, 6e6], [400_000.0, 6e6], [-3_000.0, 50.0]])
    scenes = [city(f"c{i}", i, corner, devices) for i, corner in enumerate(corners)]
    union = Union.of(scenes)
    far = np.array([[0, 0], [0, 31_000], [47_000, 0]]) - corners
    one = by_hand(scenes, far)
    found = retrieve_in_all(union, 40, search="fp32")
    first = retrieve(one, 40, search="fp32")
    np.testing.assert_array_equal(found.indices, first.indices)
    calibration = Calibration(temperature=9.0)
    given = PosteriorConfig(), Rule.of(rule), FovConfig(), calibration
    ours, theirs = posterior(union.scene, found, *given), posterior(one, first, *given)
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    for name in ("scores", "probability", "none", "confidence"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=2e-4)
    # Where it is not settled which scene it is the radius reaches over the gap.
    wide = ours.radius > GAP / 2
    assert 0 < wide.sum() < len(wide) and (theirs.radius[wide] > GAP / 2).all()
    np.testing.assert_allclose(ours.radius[~wide], theirs.radius[~wide], atol=0.1)
    near = union.scene_of(ours.indices[:, 0])
    np.testing.assert_allclose(
        ours.position - union.offsets[near], theirs.position - far[near], atol=0.1
    )


def test_the_ground_of_a_union_is_that_of_its_scenes():
    corners = np.array([[0.0, 0.0], [50.0, 0.0], [9e5, 0.0]])
    scenes = [city(f"c{i}", i, corner) for i, corner in enumerate(corners)]
    union = Union.of(scenes)
    assert area_of(union.scene) == pytest.approx(sum(map(area_of, scenes)))
    places = [
        union.scene.database.positions[a:b]
        for a, b in zip(union.images[:-1], union.images[1:], strict=True)
    ]
    for i, a in enumerate(places):
        for b in places[i + 1 :]:
            assert np.linalg.norm(a[:, None] - b, axis=-1).min() > GAP
    assert np.abs(union.scene.database.positions).max() < 3 * GAP


def test_where_the_device_is_says_which_scene():
    scenes = [city(f"c{i}", i, np.zeros(2), devices=True) for i in range(2)]
    union = Union.of(scenes)
    found = retrieve_in_all(union, 10, search=Searching("fp32", within=3.0))
    for query, own in enumerate(union.own):
        listed = found.indices[query][found.indices[query] >= 0]
        assert len(listed) and (union.scene_of(listed) == own).all()


def test_what_a_scene_does_not_know_is_unknown_of_it_alone():
    plain = Scene("b", images("d", 5, 1), images("q", 2, 2))
    database = Union.of([city("a", 0, np.zeros(2)), plain]).scene.database
    assert np.isnan(database.positions[60:]).all() and np.isfinite(database.positions[:60]).all()
    assert np.isnan(database.headings[60:]).all() and (database.sequences[60:] == -1).all()
    twice = Union.of([city("a", 0, np.zeros(2)), city("b", 1, np.zeros(2))]).scene.database
    np.testing.assert_array_equal(twice.sequences, np.arange(120) // 30)


def test_rows_of_several_arrays_are_one():
    parts = [
        np.random.default_rng(i).normal(size=(n, 4)).astype("f2") for i, n in enumerate((3, 5))
    ]
    whole, rows = np.concatenate(parts), stacked(parts)
    assert isinstance(rows, Stacked) and rows.shape == (8, 4) and rows.dtype == np.float16
    for index in (
        slice(1, 6),
        np.array([7, 0, 3, 3]),
        whole[:, 0] > 0,
        np.array([[0, 4], [1, 7]]),
        -1,
    ):
        np.testing.assert_array_equal(rows[index], whole[index])
    np.testing.assert_array_equal(np.asarray(rows), whole)
    assert rows.home is None and stacked([parts[0], None]) is None
    with pytest.raises(InputError, match=r"have lengths \[3, 4\]"):
        stacked([parts[0], parts[1][:, :3]])


def test_figures_across_scenes(tmp_path, monkeypatch, capsys):
    paths = write_world(tmp_path, {"cph": "train_val", "sf": "train_val"}, dim=16)
    words = [f"{key}={value}" for key, value in paths.items()] + ["data.val_scenes=[cph,sf]"]
    argv = ["gcsa", "evaluate", "--across", "--json", str(tmp_path / "r.json"), *words]
    monkeypatch.setattr("sys.argv", [*argv, "--method", "posterior"])
    main()
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert list(rows) == ["first round", "posterior", "scene of the first image, then posterior"]
    assert rows["first round"]["right scene"] == rows[list(rows)[2]]["right scene"]
    assert all(row["counts"]["queries"] == 40 for row in rows.values())
    assert "scene: of how many queries the first image is of the right" in capsys.readouterr().out
    for more, said in {
        ("--compare", "none", "posterior"): "--across and --compare: only one of them",
        ("data.val_labels=score",): "--across: data.val_labels=score is of one scene's lists",
        ("--method", "geometric"): "--across: local features are of one scene's files",
    }.items():
        monkeypatch.setattr("sys.argv", [*argv, *more])
        with pytest.raises((InputError, SystemExit)) as caught:
            main()
        assert said in str(caught.value) + capsys.readouterr().err
