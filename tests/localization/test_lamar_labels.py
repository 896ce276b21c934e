"""Label files, and the labels of a small scene: its rays, depths and fields worked out anew."""

import h5py
import numpy as np
import pytest
from captures import looking, pose, write_map, write_scene, write_session
from PIL import Image
from scipy.spatial.transform import Rotation
from worlds import write_descriptors

from gcsa.datasets.lamar.label_files import LabelFile, label_path, load_labels, save_labels
from gcsa.datasets.lamar.scene import read_map, read_queries, read_scene
from gcsa.errors import InputError
from gcsa.localization import labels as program
from gcsa.localization.labels import compute_labels
from gcsa.localization.views import Views, seen_share
from gcsa.sideinfo import fov


def labelled(random, queries=6, database=20, columns=9):
    topk = np.stack([random.permutation(database)[:columns] for _ in range(queries)])
    labels = random.random(topk.shape) < 0.3
    return LabelFile(topk.astype(np.int64), labels, labels.sum(1) + 2)


def test_written_and_read(tmp_path):
    content, path = labelled(np.random.default_rng(0)), tmp_path / "deep" / "x.npz"
    save_labels(path, content)
    back = load_labels(path, 6, 20, 9)
    for name in ("topk", "labels", "num_pos"):
        np.testing.assert_array_equal(getattr(back, name), getattr(content, name))
    content.topk[0, 3:], content.labels[0] = -1, True  # padding is never positive
    save_labels(path, LabelFile(content.topk, content.labels))
    assert load_labels(path, 6, 20, 5).labels[0].tolist() == [True] * 3 + [False] * 6
    assert load_labels(path, 6, 20, 5).num_pos is None
    assert str(label_path("data", "CAB", "train")) == "data/lamar_scores_CAB_db.npz"
    assert str(label_path("data", "CAB", "val")) == "data/lamar_scores_CAB_query.npz"
    assert label_path("d", "HGE", "test", "geometry").name == "lamar_geometry_HGE_query.npz"


def test_labels_of_other_lists():
    content = labelled(np.random.default_rng(1))
    positive = {(q, d) for q, d in zip(*np.nonzero(content.labels), strict=True)}
    positive = {(q, content.topk[q, j]) for q, j in positive}
    lists = np.random.default_rng(2).integers(-1, 20, size=(6, 30))
    expected = [[(q, d) in positive for d in row] for q, row in enumerate(lists)]
    np.testing.assert_array_equal(content.of(lists), expected)
    padded = LabelFile(np.array([[1, -1]]), np.array([[True, True]]))
    assert padded.of(np.array([[-1, 0, 1]])).tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (dict(topk=None), "no array 'topk', only labels, num_pos"),
        (dict(labels=np.zeros((6, 8), bool)), r"labels .6, 8. should be .Q, N."),
        (dict(topk=np.zeros((6, 9))), "topk whole numbers"),
        (dict(labels=np.full((6, 9), 0.5)), "neither bool nor 0 and 1"),
        (dict(num_pos=np.zeros(5, int)), r"num_pos int64 .5,. should be .Q,."),
        (dict(num_pos=np.full(6, -1)), r"num_pos\[0\] is negative"),
        (dict(topk=np.arange(54).reshape(6, 9)), r"topk\[2, 2\] is 20, the database .* 20 images"),
        (dict(topk=np.full((6, 9), 3)), r"topk\[0\] lists 3 twice"),
        (dict(names=np.arange(6)), r"names int64 .6,. should be text of shape .6,."),
        (dict(names=np.array(list("abcde"))), r"names <U1 .5,. should be text of shape .6,."),
        (dict(database=np.array(list("aabcdefghijklmnopqrs"))), "database has 'a' twice"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path, change, problem):
    arrays = {**vars(labelled(np.random.default_rng(0))), **change}
    np.savez(tmp_path / "x.npz", **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(InputError, match=rf"x\.npz: .*{problem}"):
        load_labels(tmp_path / "x.npz", 6, 20, 9)


def test_a_file_of_another_scene(tmp_path):
    path = tmp_path / "x.npz"
    save_labels(path, labelled(np.random.default_rng(0)))
    with pytest.raises(InputError, match="x.npz: 6 queries, the scene has 7"):
        load_labels(path, 7, 20, 9)
    with pytest.raises(InputError, match="9 candidates a query, 10 are needed"):
        load_labels(path, 6, 20, 10)
    with pytest.raises(InputError, match="y.npz: no such label file .gcsa lamar.labels"):
        load_labels(tmp_path / "y.npz", 6, 20, 9)
    path.write_text("nothing")
    with pytest.raises(InputError, match="no file of NumPy.*; expected a label file"):
        load_labels(path, 6, 20, 9)


@pytest.fixture
def hall(tmp_path):
    """tests/captures.py's scene, its cameras spread over 30 m, with descriptors."""
    write_scene(tmp_path / "CAB")
    describe(tmp_path, "val")
    return tmp_path


def describe(folder, split):
    scene, _ = read_scene(folder, "CAB", split)
    names = sorted({*scene.database.names, *scene.queries.names})
    random = np.random.default_rng(0)
    write_descriptors(folder / "d.h5", names, random.normal(size=(len(names), 16)))


@pytest.mark.parametrize("split", ["val", "train"])
def test_geometry_by_definition(hall, split):
    write_map(hall / "CAB/sessions/map", np.random.default_rng(5), 300)
    describe(hall, split)
    scene, truth = read_scene(hall, "CAB", split)
    result = compute_labels(hall, "CAB", split, hall / "d.h5", candidates=40)
    positive = np.zeros((len(truth.positions), len(scene.database)), dtype=bool)
    for q, (p, heading) in enumerate(zip(truth.positions, truth.headings, strict=True)):
        overlap = fov.overlap_with(
            p[:2], heading, scene.database.positions[:, :2], scene.database.headings, radius=10.0
        )
        positive[q] = (overlap >= 1 / 3) & (np.abs(scene.database.positions[:, 2] - p[2]) <= 3)
    expected = np.take_along_axis(positive, np.maximum(result.topk, 0), axis=1) & (result.topk >= 0)
    np.testing.assert_array_equal(result.labels, expected)
    assert result.topk.shape == (len(positive), 40)
    if split == "train":
        assert result.num_pos is None and (positive.sum() > len(positive))
        assert not (result.topk == np.arange(len(positive))[:, None]).any()
    else:
        np.testing.assert_array_equal(result.num_pos, positive.sum(axis=1))
        assert positive.sum() > result.labels.sum() > 0


def see(camera, rotation, position, points):
    """Pixels of world points in tests/captures.py's pinhole camera, and which it sees."""
    local = (points - position) @ rotation
    pixels = local[:, :2] / local[:, 2:] * camera.params[:2] + camera.params[2:]
    inside = (pixels > 0).all(1) & (pixels < [camera.width, camera.height]).all(1)
    return pixels, (local[:, 2] > 0) & inside


def write_matches(folder, parts_a, parts_b, random, prefix):
    """hloc's files: points of the hall that both images see matched, a third of the time wrongly.

    Returns the number of true matches of each pair.
    """
    points = random.uniform([0, 0, 0], [30, 30, 5], size=(3000, 3))
    views, seen, count = [Views.of(parts_a), Views.of(parts_b)], [], {}
    with h5py.File(folder / "features.h5", "w") as file:
        for view in views:
            for i, name in enumerate(view.names):
                place = view.poses.rotations[i], view.poses.positions[i]
                pixels, visible = see(view.cameras[i], *place, points)
                seen.append((name, np.flatnonzero(visible)))
                # hloc's origin is the centre of the first pixel.
                file[f"{name.removeprefix(prefix)}/keypoints"] = pixels[visible] - 0.5
    with h5py.File(folder / "matches.h5", "w") as file:
        for a, at_a in seen[: len(views[0].names)]:
            for b, at_b in seen[len(views[0].names) :]:
                common, rows_a, rows_b = np.intersect1d(at_a, at_b, return_indices=True)
                partner = np.full(len(at_a), -1, dtype=np.int16)
                partner[rows_a] = rows_b
                if len(at_b):
                    partner[np.setdiff1d(np.arange(len(at_a)), rows_a)[:5]] = 0
                count[a, b] = len(common)
                key = "/".join(n.removeprefix(prefix).replace("/", "-") for n in (b, a))
                if len(at_b) and len(common) % 2:  # either order of the names is found
                    back = np.full(len(at_b), -1)
                    back[rows_b] = rows_a
                    file[f"{key}/matches0"] = back
                else:
                    key = "/".join(key.split("/")[::-1])
                    file[f"{key}/matches0"] = partner
    return count


@pytest.mark.parametrize("prefix", ["", "sessions/"])
def test_labels_from_matches(hall, prefix, monkeypatch):
    parts = read_queries(hall / "CAB", "val"), [read_map(hall / "CAB")]
    count = write_matches(hall, *parts, np.random.default_rng(3), prefix)
    argv = ["labels", "--root", str(hall), "--descriptors", str(hall / "d.h5"), "--scenes", "CAB"]
    argv += [
        "--splits",
        "val",
        "--candidates",
        "15",
        "--output",
        str(hall / "out"),
        "--min_score",
        "30",
    ]
    argv += ["--device", "cpu"]
    files = [str(hall / "features.h5"), "--matches", str(hall / "matches.h5")]
    monkeypatch.setattr("sys.argv", [*argv, "--features", *files])
    program.main()
    names_a, names_b = (np.concatenate([p.names for p in part]) for part in parts)
    result = load_labels(hall / "out/lamar_scores_CAB_query.npz", len(names_a), 20, 15)
    matched = np.array(
        [[count[a, names_b[d]] for d in row] for a, row in zip(names_a, result.topk, strict=True)]
    )
    # True matches have score 1; of the five wrong ones a few may agree by chance.
    assert result.labels[matched >= 30].all() and not result.labels[matched < 25].any()
    assert 5 < (matched >= 30).sum() < matched.size / 2
    np.testing.assert_array_equal(result.num_pos, result.labels.sum(axis=1))


def test_command_line_errors(hall, monkeypatch):
    argv = ["labels", "--root", str(hall), "--scenes", "CAB", "--features", "x.h5"]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(InputError, match="--features and --matches go together"):
        program.main()
    monkeypatch.setattr("sys.argv", [*argv, "--matches", "y.h5"])
    with pytest.raises(InputError, match="x.h5: no such file"):
        program.main()
    with pytest.raises(InputError, match="'test': labels are for the splits train and val"):
        compute_labels(hall, "CAB", "test", hall / "d.h5")


def room(folder):
    """A wall at y = 2 with three cameras before it and one behind, at y = 3, all looking north.

    The one behind sees a wall at y = 12.
    """
    places = [(0, 0, 0), (0.5, 0, 0), (0, 3, 0), (1.0, 1, 0)]
    walls = [2, 2, 12, 2]
    camera = ["s/cam", "", "camera", "PINHOLE", 64, 48, 50, 50, 32, 24]
    times = range(len(places))
    write_session(
        folder,
        sensors=[camera],
        images=[[t, "s/cam", f"s/{t}.jpg"] for t in times],
        trajectories=[[t, "s/cam", *pose(looking(0.0), p)] for t, p in enumerate(places)],
    )
    rows = [f"{t}, s/cam, s/depth_{t}.png" for t in times]
    (folder / "depths.txt").write_text("# timestamp, sensor_id, depth_path\n" + "\n".join(rows))
    (folder / "raw_data" / "s").mkdir(parents=True)
    for t, (place, wall) in enumerate(zip(places, walls, strict=True)):
        depth = np.full((24, 32), 1000 * (wall - place[1]), dtype=np.uint16)
        if t == 0:
            depth[:, :8] = 0  # a quarter without depth counts neither way
        Image.fromarray(depth).save(folder / f"raw_data/s/depth_{t}.png")


def test_what_depth_maps_see(tmp_path):
    room(tmp_path / "CAB/sessions/map")
    views = Views.of([read_map(tmp_path / "CAB")])
    assert seen_share(views, 1, views, 1) == 1
    # 0 to 1: half a metre of 2.56 leaves at the left, where 0 has no depth.
    assert seen_share(views, 0, views, 1) == 1
    # 1 to 0: half a metre leaves at the right, 0.14 m more meets pixels without depth.
    assert seen_share(views, 1, views, 0) == pytest.approx(1 - 0.64 / 2.56, abs=1 / 24)
    # 1 to 3, at half the distance: half the columns, half the rows.
    assert seen_share(views, 1, views, 3) == pytest.approx(1 / 4, abs=1 / 24)
    # Behind the wall: in the picture, but not at its depth.
    assert seen_share(views, 0, views, 2) == 0 and seen_share(views, 2, views, 0) == 0


def positives(folder):
    result = compute_labels(folder, "CAB", "train", folder / "d.h5", candidates=4)
    assert [sorted(row) for row in result.topk] == [
        [-1, *(d for d in range(4) if d != q)] for q in range(4)
    ]
    return {(q, result.topk[q, j]) for q, j in np.argwhere(result.labels).tolist()}


def test_walls_make_negatives(tmp_path):
    room(tmp_path / "CAB/sessions/map")
    names = read_map(tmp_path / "CAB").names
    write_descriptors(tmp_path / "d.h5", names, np.random.default_rng(0).normal(size=(4, 8)))
    before = {(q, d) for q in (0, 1, 3) for d in (0, 1, 3) if q != d}
    assert positives(tmp_path) == before
    (tmp_path / "CAB/sessions/map/depths.txt").unlink()
    assert positives(tmp_path) >= before | {(0, 2), (2, 0)}


def test_a_missing_depth_map(tmp_path):
    room(tmp_path / "CAB/sessions/map")
    (tmp_path / "CAB/sessions/map/raw_data/s/depth_1.png").unlink()
    views = Views.of([read_map(tmp_path / "CAB")])
    with pytest.raises(InputError, match="depth_1.png: no such depth map, although depths.txt"):
        seen_share(views, 0, views, 1)


def test_a_turned_camera_sees_nothing_of_it(tmp_path):
    room(tmp_path / "CAB/sessions/map")
    views = Views.of([read_map(tmp_path / "CAB")])
    views.poses.rotations[1] = (
        Rotation.from_euler("z", 180, degrees=True).as_matrix() @ (views.poses.rotations[1])
    )
    assert seen_share(views, 0, views, 1) == 0
