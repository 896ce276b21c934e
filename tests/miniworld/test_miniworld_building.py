"""Miniworld's buildings: files that the readers take, poses that agree with pictures, radio."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from gcsa.datasets.lamar.cameras import pixels_to_rays, rays_to_pixels
from gcsa.datasets.lamar.capture import camera_poses, query_images, read_session
from gcsa.datasets.lamar.scene import read_map, read_queries, read_scene
from gcsa.errors import InputError
from gcsa.localization.views import Views
from gcsa.miniworld.building import generate
from gcsa.miniworld.building.air import air_of, expected_rssi
from gcsa.miniworld.building.devices import TRACKERS
from gcsa.miniworld.building.house import house_of
from gcsa.miniworld.building.plan import SIZES, Amount, Shape, Size
from gcsa.miniworld.building.sessions import plan_session
from gcsa.miniworld.building.textures import library_of
from gcsa.sideinfo.radio import pairwise_affinity

MINI = Size(
    shapes=(Shape("CAB", 2, 9.0, 12.0, 2.4, 3.0, 7.0, 3.6),),
    navvis=Amount(2, 8),
    map_phone=Amount(2, 10),
    map_hololens=Amount(2, 4),
    phone=Amount(3, 24),
    hololens=Amount(2, 6),
    test_phone=Amount(2, 4),
    test_hololens=Amount(1, 2),
    dim=16,
    depth=True,
    vocabulary=8,
)
PLACES = [(a, u) for a in (0.2, 0.375, 0.55) for u in (0.3, 0.45, 0.6, 0.9)]  # on a poster
COUNTS = {"map": 32 + 10 + 16, "query_val_phone": 24 + 3, "query_val_hololens": 24}


@pytest.fixture(scope="module")
def mini_size():
    SIZES["mini"] = MINI
    yield "mini"
    del SIZES["mini"]


@pytest.fixture(scope="module")
def world(tmp_path_factory, mini_size):
    out = tmp_path_factory.mktemp("buildings")
    return out, generate(out, mini_size, seed=5, workers=2)


@pytest.fixture(scope="module")
def root(world):
    return world[0] / "datasets" / "lamar"


def features(out: Path) -> Path:
    return out / "outputs" / "lamar" / "CAB" / "global-feats-miniworld.h5"


def snapshot(out: Path) -> dict[str, bytes]:
    """Contents of all files; HDF5 by its datasets, without what readers of it leave beside it."""
    files = sorted(p for p in out.rglob("*") if p.is_file() and p.parent != features(out).parent)
    found = {p.relative_to(out).as_posix(): p.read_bytes() for p in files}
    with h5py.File(features(out)) as file:
        file.visititems(
            lambda key, item: (
                found.__setitem__(key, item[()].tobytes())
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


def test_readers_take_every_split(world, root):
    out, info = world
    for split, queries in (("val", 24 + 24), ("test", 4 + 8), ("train", COUNTS["map"])):
        scene, truth = read_scene(root, "CAB", split, features(out))
        assert len(scene.queries) == queries and len(scene.database) == COUNTS["map"]
        assert scene.queries.descriptors.shape == (queries, 16)
        assert np.isfinite(scene.database.positions).all()
        assert (truth is None) == (split == "test")
        if truth is not None:
            assert np.isfinite(truth.positions).all() and np.isfinite(truth.headings).all()
    assert {name: info["counts"]["CAB"][name] for name in COUNTS} == COUNTS


def test_hdf5_names_are_those_of_the_images(world):
    out, info = world
    names = []
    with h5py.File(features(out)) as file:
        file.visititems(
            lambda key, item: names.append(key) if "global_descriptor" in item.name else None
        )
        one = file[names[0]]
        assert one.dtype == np.float16 and abs(np.linalg.norm(one[()].astype(float)) - 1) < 1e-2
        assert list(file[names[0].rsplit("/", 1)[0]]["image_size"][()]) == [160, 120]
    folder = out / "datasets" / "lamar" / "CAB"
    on_disk = {p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg")}
    assert {name.rsplit("/", 1)[0] for name in names} == on_disk
    assert len(on_disk) == sum(info["counts"]["CAB"].values())


def test_headings_and_storeys_are_those_of_the_plan(root):
    scene, truth = read_scene(root, "CAB", "val")
    shots = {
        f"sessions/{name}/raw_data/{shot.path}": shot
        for name in ("map", "query_val_phone", "query_val_hololens")
        for recording in plan_session("CAB", name, MINI, 5)
        for shot in recording.shots
    }
    for names, headings, positions in (
        (scene.database.names, scene.database.headings, scene.database.positions),
        (scene.queries.names, truth.headings, truth.positions),
    ):
        planned = np.array([shots[name].heading for name in names])
        assert np.abs(np.exp(1j * planned) - np.exp(1j * headings)).max() < 1e-9
        np.testing.assert_allclose(positions, [shots[n].position for n in names], atol=1e-9)
    heights = np.sort(scene.database.positions[:, 2])
    gap = np.diff(heights).max()
    assert gap > 3.0 and len(np.unique(heights > heights[0] + 3)) == 2


def test_surfaces_of_the_depth_maps_are_the_walls_of_the_building(root):
    house = house_of("CAB", MINI, 5)
    views = Views.of([read_map(root / "CAB"), *read_queries(root / "CAB", "val")])
    assert views.has_depth.all()
    off = []
    for i in range(0, len(views.names), 3):
        camera = views.cameras[i]
        depth = np.asarray(Image.open(views.depth_paths[i])) / 1000
        y, x = np.mgrid[5 : depth.shape[0] : 9, 5 : depth.shape[1] : 9]
        pixels = np.stack([2 * x.ravel() + 0.5, 2 * y.ravel() + 0.5], 1)
        rays = np.column_stack(
            [pixels_to_rays(camera.model, camera.params, pixels), np.ones(x.size)]
        )
        local = rays * depth[y, x].reshape(-1, 1)
        points = local @ views.poses.rotations[i].T + views.poses.positions[i]
        off.append(_distance_to_surfaces(house, points))
    off = np.concatenate(off)
    assert np.quantile(off, 0.99) < 0.01 and off.max() < 0.05


def _distance_to_surfaces(house, points) -> np.ndarray:
    """Metres from each world point to the nearest wall, floor or ceiling of its storey."""
    upper = points[:, 2] >= house.layout.shape.storey - 0.3
    nearest = np.empty(len(points))
    for level, storey in enumerate(house.storeys):
        mine = upper == bool(level)
        plan, up = points[mine, :2], points[mine, 2] - storey.level
        walls = storey.walls["map"]
        edge = (walls.end - walls.start).astype(float)
        offset = plan[:, None] - walls.start
        share = np.clip((offset * edge).sum(2) / (edge**2).sum(1), 0, 1)
        flat = np.linalg.norm(offset - share[..., None] * edge, axis=2).min(1)
        level_off = np.minimum(np.abs(up), np.abs(up - house.layout.shape.ceiling))
        nearest[mine] = np.minimum(flat, level_off)
    return nearest


def test_pictures_show_posters_where_the_poses_say(root):
    house, atlas = house_of("CAB", MINI, 5), library_of(5).atlas
    views = Views.of([read_map(root / "CAB")])
    expected, seen = [], []
    for i, name in enumerate(views.names):
        storey = house.storeys[int(views.poses.positions[i, 2] > 3)]
        walls = storey.walls["map"]
        posters = np.flatnonzero((walls.base == 1.0) & (walls.top < 2.2))
        q = walls.start[posters] - views.poses.positions[i, :2]
        edge = walls.end[posters] - walls.start[posters]
        posters = posters[edge[:, 0] * q[:, 1] > edge[:, 1] * q[:, 0]]  # seen from in front
        if "hl_" in name:  # these cameras see less colour
            continue
        edge = walls.end[posters] - walls.start[posters]
        for along, up in PLACES:
            middles = walls.start[posters] + along / 0.75 * edge
            height = storey.level + 1.0 + 1.05 * up
            points = np.column_stack([middles, np.full(len(posters), height)])
            for poster, (x, y) in _visible(views, i, points):
                image = np.asarray(Image.open(root / "CAB" / name).convert("RGB"), float)
                where = walls.texture[posters[[poster]]], np.array([along]), np.array([up])
                fine, coarse = (atlas.fetch(*where, np.array([m]))[0, :3] for m in (0.03, 0.11))
                if np.abs(fine.astype(float) - coarse).max() < 15:  # no edge is near
                    seen.append(image[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1)))
                    expected.append(fine)
    assert len(seen) > 50
    assert np.corrcoef(np.ravel(seen), np.ravel(expected))[0, 1] > 0.85


def _visible(views, i, points):
    """Yield (row of points, pixel (2,) int) of the points that an image sees from within 4 m."""
    camera = views.cameras[i]
    depth = np.asarray(Image.open(views.depth_paths[i])) / 1000
    for row, local in enumerate((points - views.poses.positions[i]) @ views.poses.rotations[i]):
        if 0.5 < local[2] < 4:
            (pixel,) = rays_to_pixels(camera.model, camera.params, local[None, :2] / local[2])
            x, y = pixel.astype(int)
            inside = 4 < pixel[0] < 156 and 4 < pixel[1] < 116
            if inside and abs(depth[y // 2, x // 2] - local[2]) < 0.05:
                yield row, (x, y)


def test_rig_cameras_are_upright_and_turned_as_calibrated(root):
    session = read_session(root / "CAB" / "sessions" / "query_val_hololens")
    rotations, positions = camera_poses(session, session.alignment)
    np.testing.assert_allclose(rotations[:, 2, 1], -1, atol=1e-12)
    heading = np.degrees(np.arctan2(rotations[:, 0, 2], rotations[:, 1, 2])).reshape(-1, 4)
    turns = np.array([turn for turn, _ in TRACKERS.values()])
    difference = heading - heading[:, :1] - (turns - turns[0])
    assert np.abs((difference + 180) % 360 - 180).max() < 1e-6
    spread = np.linalg.norm(positions.reshape(-1, 4, 3) - positions[::4, None], axis=2)
    assert 0.05 < spread.max() < 0.2
    rows, query = query_images(session)
    assert len(rows) == 4 * len(session.queries.timestamps) and (np.bincount(query) == 4).all()


def test_odometry_has_the_right_steps_in_a_frame_of_its_own(root):
    session = read_session(root / "CAB" / "sessions" / "query_val_phone")
    truth, believed = session.alignment, session.trajectory
    assert (truth.timestamps == believed.timestamps).all()
    sub = np.array([d.split("/")[0] for d in truth.device_ids])
    for name in session.subsessions:
        a, b = truth.translations[sub == name], believed.translations[sub == name]
        steps = [np.linalg.norm(np.diff(x, axis=0), axis=1) for x in (a, b)]
        np.testing.assert_allclose(*steps, rtol=0.1, atol=0.05)
        assert np.linalg.norm(a - b, axis=1).min() > 0.5


def test_radio_follows_distance_walls_and_storeys():
    house, air = house_of("CAB", MINI, 5), air_of("CAB", MINI, 5)
    assert {"2.4", "5", "bt"} == set(air.band) and len(set(air.ids)) == len(air.ids)
    recording = plan_session("CAB", "map", MINI, 5)[0]
    points = recording.walk.track
    rssi = expected_rssi(house, air, points, recording.level)
    distance = np.linalg.norm(house.frame.to_plan(points[:, None, :2]) - air.point, axis=2)
    here = air.level == recording.level
    assert np.corrcoef(np.log10(distance[:, here].ravel()), rssi[:, here].ravel())[0, 1] < -0.6
    assert rssi[:, here].mean() - rssi[:, ~here].mean() > 12
    pairs = [(i, i + 1) for i in np.flatnonzero(air.band == "2.4") if air.band[i + 1] == "5"]
    low, high = np.array(pairs).T
    assert 3 < (rssi[:, low] - rssi[:, high]).mean() < 14


def test_scans_are_grouped_noisy_and_sometimes_absent(root):
    house, air = house_of("CAB", MINI, 5), air_of("CAB", MINI, 5)
    session = read_session(root / "CAB" / "sessions" / "map")
    wifi = session.wifi
    assert wifi.rssi_dbm.min() >= -88 and (wifi.frequency_mhz == -1).any()
    column = {name: i for i, name in enumerate(air.ids)}
    residual, gaps = [], []
    for recording in plan_session("CAB", "map", MINI, 5):
        mine = wifi.clock == list(wifi.clocks).index(recording.name) if recording.wifi else None
        if mine is None:
            continue
        stamps = wifi.timestamps[mine]
        gaps.append(np.diff(np.unique(stamps)) / 1e6)
        at = recording.walk.at((stamps - recording.start) / 1e6 - 0.1)
        known = [column[name] for name in wifi.transmitters[wifi.transmitter[mine]]]
        mean = expected_rssi(house, air, at, recording.level)[np.arange(len(at)), known]
        strong = mean > -75
        residual.append((wifi.rssi_dbm[mine] - mean)[strong])
    residual = np.concatenate(residual)
    assert abs(np.median(residual)) < 1 and 2.5 < np.median(np.abs(residual)) / 0.6745 < 6
    assert 3 < np.median(np.concatenate(gaps)) < 4.5


def test_some_devices_lack_radio(root):
    sessions = root / "CAB" / "sessions"
    assert read_session(sessions / "query_val_hololens").bluetooth is None
    phone = read_session(sessions / "query_val_phone")
    assert len(phone.subsessions) == 3 and len(phone.wifi.clocks) == 2
    assert set(phone.bluetooth.clocks) == set(phone.wifi.clocks)
    scene, _ = read_scene(root, "CAB", "val")
    heard = scene.queries.radio.has_any
    assert 0.7 < heard.mean() < 1


def test_radio_tells_storeys_apart(root):
    scene, truth = read_scene(root, "CAB", "val")
    affinity = pairwise_affinity(scene.queries.radio, scene.database.radio)
    affinity = affinity[scene.queries.radio.has_any][:, scene.database.radio.has_any]
    query = truth.positions[scene.queries.radio.has_any, 2] > 3
    same = query[:, None] == (scene.database.positions[scene.database.radio.has_any, 2] > 3)
    assert affinity[same].mean() > affinity[~same].mean() + 0.05


def test_clocks_and_files_are_lamars(root):
    sessions = root / "CAB" / "sessions"
    first = {r.device: r for r in reversed(plan_session("CAB", "map", MINI, 5))}
    assert first["navvis"].start > 1.6e15 and first["hololens"].start < 1e9
    assert 1e9 <= first["phone"].start < 1e12
    lines = (sessions / "query_val_phone" / "queries.txt").read_text().split("\n")
    assert lines[-1] == "" and lines[:-1] == sorted(lines[:-1], key=lambda s: int(s.split(",")[0]))
    assert not (sessions / "map" / "proc" / "subsessions.txt").read_text().endswith("\n")
    assert not (sessions / "map" / "queries.txt").exists()
    shared = [s for s in read_session(sessions / "map").cameras if s.endswith("/cam_phone")]
    assert len(shared) == 1  # the other phone has one sensor a frame


def test_one_worker_or_two_write_the_same(world, tmp_path, mini_size):
    out, info = world
    assert generate(tmp_path, mini_size, seed=5, workers=1) == info
    assert snapshot(tmp_path) == snapshot(out)


def test_a_second_run_touches_nothing_and_an_interrupted_one_goes_on(world, capsys, mini_size):
    out, info = world
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    assert generate(out, mini_size, seed=5, workers=1) == info
    assert "already holds" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()} == before
    contents = snapshot(out)
    done = out / "miniworld-building.json"
    done.rename(out / "miniworld-building.partial.json")
    next(out.rglob("*.jpg")).unlink()
    features(out).unlink()
    assert generate(out, mini_size, seed=5, workers=2) == info
    assert snapshot(out) == contents


def test_another_world_is_refused(world, tmp_path, mini_size):
    with pytest.raises(InputError, match="holds other buildings .*seed 5.*--force"):
        generate(world[0], mini_size, seed=6)
    with pytest.raises(InputError, match="unknown size 'huge'; choose one of"):
        generate(tmp_path, "huge")
    with pytest.raises(InputError, match="workers must be at least 1"):
        generate(tmp_path, mini_size, workers=0)
    (tmp_path / "datasets" / "lamar" / "CAB").mkdir(parents=True)
    with pytest.raises(InputError, match="not part of a miniworld"):
        generate(tmp_path, mini_size)
    assert json.loads((world[0] / "miniworld-building.json").read_text())["seed"] == 5


def test_pictures_of_another_width_show_the_same(world, tmp_path, mini_size):
    """Half as wide, with the focal lengths to it: each picture is the other one, shrunk."""
    info = generate(tmp_path, mini_size, seed=5, workers=2, width=80)
    assert info["width"] == 80 and "width" not in world[1]
    folders = [root / "datasets/lamar/CAB/sessions" for root in (world[0], tmp_path)]
    name = next(p for p in sorted(folders[0].rglob("*.jpg")) if "map" in p.parts)
    large, small = (Image.open(f / name.relative_to(folders[0])).convert("L") for f in folders)
    assert small.size == (80, 60) and large.size == (160, 120)
    pair = np.asarray(large.resize((80, 60), Image.Resampling.BOX)), np.asarray(small)
    assert np.corrcoef(pair[0].ravel(), pair[1].ravel())[0, 1] > 0.9
    lenses = [next(iter(read_session(f / "map").cameras.values())).params for f in folders]
    assert lenses[0][0] == pytest.approx(2 * lenses[1][0], rel=1e-3)
    with pytest.raises(InputError, match="holds other buildings"):
        generate(tmp_path, mini_size, seed=5, width=84)
    with pytest.raises(InputError, match="--width: 81 is not a multiple of 4"):
        generate(tmp_path / "x", mini_size, width=81)
