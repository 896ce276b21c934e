"""Cameras placed by local features alone: closed forms, and a scene whose poses are known."""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from captures import write_scene
from hloc_inputs import write_local
from scipy.spatial.transform import Rotation
from worlds import write_descriptors

from gcsa import localize as localize_program
from gcsa.datasets.hloc import write_pairs
from gcsa.datasets.lamar.records import Camera
from gcsa.datasets.lamar.scene import headings, read_map, read_queries, read_scene
from gcsa.errors import InputError
from gcsa.localization import localize as program
from gcsa.localization.hloc_files import read_results, write_query_list
from gcsa.localization.mapped import LocalFiles, fallback, map_poses, surfaces_of
from gcsa.localization.model import read_model, write_model
from gcsa.localization.placing import _seen
from gcsa.localization.poses import Poses, pose_errors
from gcsa.localization.rigs import Device
from gcsa.localization.views import Views
from gcsa.places.calibration import Calibration
from gcsa.places.located import Located
from gcsa.ranking.lists import Ranking
from gcsa.scene import ImageSet, Scene

pytest.importorskip("poselib", reason="pip install gcsa[localize]")


CAMERA = Camera("SIMPLE_RADIAL", 320, 240, (200.0, 160.0, 120.0, 0.05))
TURN = Rotation.from_euler("y", 70, degrees=True).as_matrix()


@dataclass
class Hall:
    """A room photographed from 60 spots; 10 queries of a camera, 5 of a rig of two."""

    scene: Scene
    views: Views
    devices: list[Device]
    ranking: Ranking
    path: Path

    def surfaces(self, features="f.h5"):
        return surfaces_of(self.scene, self.views, LocalFiles(self.path / features))


def views_of(prefix, poses):
    names = np.array([f"{prefix}{row}.jpg" for row in range(len(poses))])
    return Views(names, poses, [CAMERA] * len(names), [None] * len(names))


def cameras(count, seed):
    random = np.random.default_rng(seed)
    positions = random.uniform([0, 0, 1.5], [10, 8, 1.9], (count, 3))
    angles = np.column_stack([random.uniform(0, 360, count), random.normal(-90, 3, count)])
    return Poses(Rotation.from_euler("zx", angles, degrees=True).as_matrix(), positions)


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    path = tmp_path_factory.mktemp("hall")
    mapped, alone, rigs = views_of("map/", cameras(60, 0)), cameras(10, 1), cameras(5, 2)
    to_rig = Poses(np.stack([np.eye(3), TURN]), np.array([[0.0, 0, 0], [0.1, 0, 0]]))
    pairs = np.repeat(np.arange(5), 2)
    both = Poses(np.tile(to_rig.rotations, (5, 1, 1)), np.tile(to_rig.positions, (5, 1)))
    single = Poses(np.tile(np.eye(3), (10, 1, 1)), np.zeros((10, 3)))
    phone, glasses = views_of("phone/", alone), views_of("glasses/", rigs[pairs] @ both)
    devices = [
        Device("phone", np.arange(10), np.arange(10), single, np.arange(10), np.arange(10), phone),
        Device("rig", np.arange(10, 20), pairs, both, np.arange(5), np.arange(5), glasses),
    ]
    asked = Poses(*(np.concatenate([getattr(v.poses, f) for v in (phone, glasses)])
                    for f in ("rotations", "positions")))  # fmt: skip
    names = np.concatenate([phone.names, glasses.names])
    database = ImageSet(
        mapped.names, None, mapped.poses.positions, headings(mapped.poses.rotations)
    )
    scene = Scene("hall", database, ImageSet(names))
    towards = (asked.rotations[:, :, 2] @ mapped.poses.rotations[:, :, 2].T) * 4
    away = np.linalg.norm(asked.positions[:, None] - mapped.poses.positions, axis=2)
    order = np.argsort(away - towards, axis=1)
    ranking = Ranking(order, np.zeros(order.shape, np.float32))
    write_local(path / "f.h5", joined(mapped, phone, glasses))
    return Hall(scene, mapped, devices, ranking, path)


def joined(*parts):
    poses = Poses(*(np.concatenate([getattr(v.poses, f) for v in parts])
                    for f in ("rotations", "positions")))  # fmt: skip
    names = np.concatenate([v.names for v in parts])
    return Views(names, poses, [CAMERA] * len(names), [None] * len(names))


def errors(device, poses):
    known = device.views.poses.known
    return pose_errors(device.camera_poses(poses)[known], device.views.poses[known])


def test_points_are_where_they_were_drawn(hall):
    """Each triangulated point is one of the drawn ones, by its descriptor."""
    surfaces = hall.surfaces()
    random, middle = np.random.default_rng(0), np.nanmean(all_positions(hall), axis=0)
    points = middle + random.uniform(-1, 1, (1500, 3)) * [12, 12, 3]
    looks = random.normal(size=(1500, 32))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    with h5py.File(hall.path / "f.h5") as file:
        drawn = points[np.argmax(file["map/0.jpg/descriptors"][:].T @ looks.T, axis=1)]
    found = surfaces.points(0)
    known = np.isfinite(found[:, 0])
    assert known.mean() > 0.6
    assert np.median(np.linalg.norm(found[known] - drawn[known], axis=1)) < 0.03


def all_positions(hall):
    return joined(hall.views, *(device.views for device in hall.devices)).poses.positions


@pytest.mark.parametrize("number", [0, 1])
def test_cameras_and_rigs_stand_where_they_are(hall, number):
    device = hall.devices[number]
    poses, placed = map_poses(device, hall.surfaces(), hall.ranking, 6, "here")
    turned, away = errors(device, poses)
    assert (placed.inliers >= 12).all()
    assert turned.max() < 0.5 and away.max() < 0.05


def test_pycolmap_places_a_camera_there_too(hall):
    """The same pixels and points, given to COLMAP's own solver with the distorted camera."""
    pycolmap = pytest.importorskip("pycolmap")
    device, surfaces = hall.devices[0], hall.surfaces()
    camera = pycolmap.Camera(
        model=CAMERA.model, width=CAMERA.width, height=CAMERA.height, params=CAMERA.params
    )
    poses, _ = map_poses(device, surfaces, hall.ranking, 6, "here")
    for query in range(3):
        rows, name = hall.ranking.indices[query, :6].tolist(), str(device.views.names[query])
        keypoint, points = _seen(name, rows, surfaces)
        pixels = surfaces.matched.keypoints(name)[keypoint]
        found = pycolmap.estimate_and_refine_absolute_pose(pixels, points, camera)
        back = found["cam_from_world"].matrix()
        theirs = Poses(back[None, :, :3], back[None, :, 3]).inverse()
        turned, away = pose_errors(poses[[query]], theirs)
        assert turned[0] < 0.1 and away[0] < 0.02


def test_a_rig_is_placed_by_cameras_that_see_too_little_alone(hall, tmp_path):
    """Of each camera 9 keypoints are left: too few alone, enough together."""
    device = hall.devices[1]
    with h5py.File(hall.path / "f.h5") as file, h5py.File(tmp_path / "f.h5", "w") as few:
        for name in (*hall.views.names, *device.views.names):
            step = max(1, len(file[f"{name}/keypoints"]) // 12) if "glasses" in name else 1
            few[f"{name}/keypoints"] = file[f"{name}/keypoints"][::step]
            few[f"{name}/descriptors"] = file[f"{name}/descriptors"][:, ::step]
    surfaces = surfaces_of(hall.scene, hall.views, LocalFiles(tmp_path / "f.h5"))
    poses, placed = map_poses(device, surfaces, hall.ranking, 10, "here")
    good = placed.inliers > 0
    assert good.sum() >= 3
    turned, away = (e.reshape(5, 2)[good] for e in errors(device, poses))
    assert np.median(turned) < 1 and np.median(away) < 0.1


def test_what_cannot_be_placed_has_the_posteriors_position_and_that_is_said(hall, caplog):
    device, first = hall.devices[1], hall.ranking
    blind = [str(name) for name in device.views.names]
    write_local(hall.path / "blind.h5", joined(hall.views, device.views), without=blind)
    position = np.random.default_rng(0).normal(size=(len(first), 2))
    nought = np.zeros(len(first))
    located = Located(
        *(first.indices, first.scores, np.zeros(first.scores.shape), nought, nought),
        *(position, nought, Calibration()),
    )
    with caplog.at_level(logging.INFO):
        poses, placed = map_poses(device, hall.surfaces("blind.h5"), located, 5, "here")
    assert "here: 0 of 5 queries placed in the map" in caplog.text
    assert "the posterior's position" in caplog.text and (placed.inliers == 0).all()
    plain, words = fallback(device, hall.views.poses, first, 5)
    assert words == "the pose of their first image"
    mean = [position[device.rows[device.query == q]].mean(0) for q in range(5)]
    assert np.allclose(poses.positions[:, :2], mean)
    assert np.allclose(poses.rotations, plain.rotations)
    assert np.allclose(poses.positions[:, 2], plain.positions[:, 2])


def test_features_of_other_images_are_one_line(hall, tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["other/keypoints"] = np.zeros((0, 2))
    surfaces = surfaces_of(hall.scene, hall.views, LocalFiles(tmp_path / "f.h5"))
    with pytest.raises(InputError, match=r"f\.h5: has no features of here, such as"):
        map_poses(hall.devices[0], surfaces, hall.ranking, 3, "here")


def test_nothing_is_retrieved_nothing_is_placed(hall):
    empty = Ranking(np.full((20, 2), -1), np.full((20, 2), -np.inf, np.float32))
    poses, _ = map_poses(hall.devices[0], hall.surfaces(), empty, 2, "here")
    assert not poses.known.any()


def localize(hall, monkeypatch, **changed):
    phone = hall.devices[0].views
    write_model(hall.path / "sfm", hall.views)
    write_query_list(hall.path / "q.txt", phone.names, phone.cameras)
    rows = hall.ranking.indices[:10, :8]
    names = np.repeat(phone.names, 8), hall.views.names[rows].ravel()
    write_pairs(hall.path / "p.txt", *names)
    files = {"model": "sfm", "queries": "q.txt", "pairs": "p.txt", "features": "f.h5"}
    files = {**files, "results": "r.txt", **changed}
    words = [w for key, name in files.items() for w in (f"--{key}", str(hall.path / name))]
    monkeypatch.setattr(sys, "argv", ["gcsa localize", *words])
    localize_program.main()
    return read_results(hall.path / "r.txt", phone.names)


def test_hlocs_files_in_and_out(hall, monkeypatch, caplog):
    with caplog.at_level(logging.INFO):
        poses = localize(hall, monkeypatch)
    assert "10 of 10 queries placed in the map" in caplog.text
    turned, away = errors(hall.devices[0], poses)
    assert turned.max() < 0.5 and away.max() < 0.05


def test_what_cannot_be_placed_has_the_pose_of_its_first_image(hall, monkeypatch, caplog):
    blind = [str(name) for name in hall.devices[0].views.names]
    write_local(hall.path / "b.h5", joined(hall.views, hall.devices[0].views), without=blind)
    with caplog.at_level(logging.INFO):
        poses = localize(hall, monkeypatch, features="b.h5")
    assert "0 of 10 queries placed" in caplog.text
    first = hall.views.poses[hall.ranking.indices[:10, 0]]
    assert np.allclose(poses.positions, first.positions)


def test_a_model_with_a_fault_is_one_line(hall, tmp_path):
    write_model(tmp_path, hall.views)
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 320 240 200\n")
    with pytest.raises(InputError, match=r"cameras\.txt: line 1: camera model 'PINHOLE' has 4"):
        read_model(tmp_path)
    (tmp_path / "cameras.txt").write_text("2 SIMPLE_PINHOLE 320 240 200 1 1\n")
    with pytest.raises(InputError, match=r"cameras\.txt: no camera 1, of image 'map/0\.jpg'"):
        read_model(tmp_path)
    (tmp_path / "images.txt").rename(tmp_path / "images.bin")
    with pytest.raises(InputError, match=r"images\.bin: only text is read"):
        read_model(tmp_path)


def test_program(tmp_path, monkeypatch, capsys):
    """On tests/captures.py's scene: 20 images of the map hardly see the same, but it runs."""
    write_scene(tmp_path / "datasets/lamar/CAB")
    scene, _ = read_scene(tmp_path / "datasets/lamar", "CAB")
    names = [*scene.database.names, *scene.queries.names]
    rows = np.random.default_rng(0).normal(size=(len(names), 8))
    write_descriptors(tmp_path / "outputs/lamar/CAB/d.h5", names, rows)
    folder = tmp_path / "datasets/lamar/CAB"
    write_local(tmp_path / "f.h5", Views.of([read_map(folder), *read_queries(folder, "val")]))
    (tmp_path / "c.yaml").write_text("data: {dataset: lamar}\n")
    words = ["--conf", tmp_path / "c.yaml", "--method", "map", "--output", tmp_path / "out"]
    sets = [f"data.root={tmp_path / 'datasets'}", f"data.outputs={tmp_path / 'outputs'}"]
    sets += ["data.desc_fn=d.h5", "train.device=cpu", "data.val_scenes=[CAB]"]
    monkeypatch.setattr(sys, "argv", ["lamar.localize", *map(str, words), *sets])
    with pytest.raises(InputError, match="--features, a file of gcsa match"):
        program.main()
    more = ["--features", str(tmp_path / "f.h5")]
    monkeypatch.setattr(sys, "argv", [*sys.argv, *more])
    program.main()
    assert "poses: map, top 10" in capsys.readouterr().out
