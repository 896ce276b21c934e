"""Miniworld: formats to the letter, geometry against closed forms, the same files every time."""

import csv
import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pyproj
import pytest
from PIL import Image

from gcsa import miniworld
from gcsa.errors import InputError
from gcsa.miniworld import build, msls, plan
from gcsa.miniworld.__main__ import main
from gcsa.miniworld.atlas import Atlas
from gcsa.miniworld.raycast import (
    View,
    Walls,
    cast,
    nearby,
    paint_walls,
    panorama,
    perspective,
    plane_points,
)
from gcsa.miniworld.world import scene_of
from gcsa.sideinfo.utm import to_lonlat, to_utm, zone_of

HEADERS = {
    "raw.csv": ",key,lon,lat,ca,captured_at,pano",
    "seq_info.csv": ",key,sequence_key,frame_number",
    "postprocessed.csv": ",key,easting,northing,unique_cluster,control_panel,night,view_direction",
    "subtask_index.csv": ",key,all,s2w,w2s,o2n,n2o,d2n,n2d",
}
MINI = plan.Size(("trondheim",), ("cph",), ("miami",), 40, 20, 32, 8)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def snapshot(root: Path) -> dict[str, bytes]:
    """Contents of all files; HDF5 files by their datasets, as their headers hold times."""
    out = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        if path.suffix != ".h5":
            out[name] = path.read_bytes()
            continue
        with h5py.File(path) as file:
            file.visititems(
                lambda key, item, name=name: (
                    out.__setitem__(f"{name}:{key}", item[()].tobytes())
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
    return out


@pytest.fixture(scope="module")
def mini_size():
    """A still smaller size than tiny, so that several worlds can be made."""
    saved = dict(plan.SIZES)
    plan.SIZES["mini"] = MINI
    yield "mini"
    plan.SIZES.clear()
    plan.SIZES.update(saved)


@pytest.fixture(scope="module")
def world(tmp_path_factory, mini_size):
    out = tmp_path_factory.mktemp("world")
    return out, miniworld.generate(out, mini_size, seed=3, workers=2)


def folders(root: Path):
    yield from (p.parent for p in sorted(root.rglob("raw.csv")))


def test_csv_files_have_exact_headers_and_aligned_rows(world):
    out, info = world
    assert len(list(folders(out))) == 6
    for folder in folders(out):
        keys = []
        for name, header in HEADERS.items():
            text = (folder / name).read_text()
            assert text.split("\n", 1)[0] == header
            assert text.endswith("\n") and "\r" not in text
            rows = rows_of(folder / name)
            assert [r[""] for r in rows] == [str(i) for i in range(len(rows))]
            keys.append([r["key"] for r in rows])
        assert all(k == keys[0] for k in keys)
        assert len(keys[0]) == info["counts"][folder.parent.name][folder.name]
        assert {p.stem for p in (folder / "images").iterdir()} == set(keys[0])


def test_keys_look_like_those_of_mapillary_and_are_unique(world):
    out, _ = world
    keys = [r["key"] for f in folders(out) for r in rows_of(f / "raw.csv")]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", key) for key in keys)
    assert len(set(keys)) == len(keys) == 180
    assert any(key[0] in "-_" for key in keys)


def test_sequences_are_contiguous_and_count_frames(world):
    out, _ = world
    for folder in folders(out):
        rows = rows_of(folder / "seq_info.csv")
        closed = set()
        for before, row in zip([None, *rows[:-1]], rows, strict=True):
            if before and before["sequence_key"] == row["sequence_key"]:
                assert int(row["frame_number"]) == int(before["frame_number"]) + 1
            else:
                assert row["sequence_key"] not in closed and row["frame_number"] == "0"
            closed.add(row["sequence_key"])


def test_subtasks_follow_season_year_night_and_role(world):
    out, _ = world
    for folder in folders(out):
        city, database = folder.parent.name, folder.name == "database"
        south = plan.CENTRES[city][1] < 0
        tables = [rows_of(folder / name) for name in HEADERS]
        for raw, _, post, task in zip(*tables, strict=True):
            on = {k: {"True": True, "False": False}[v] for k, v in list(task.items())[2:]}
            marks = {
                ("s2w", "w2s"): msls.season_of(raw["captured_at"], south) == "winter",
                ("o2n", "n2o"): raw["captured_at"] >= "2016",
                ("d2n", "n2d"): post["night"] == "True",
            }
            for (to, back), marked in marks.items():
                assert on[to] == (on["all"] and marked == database)
                assert on[back] == (on["all"] and marked != database)
            assert on["all"] or (city != "trondheim" and not database)
    share = [r["all"] == "True" for r in rows_of(out / VAL / "query/subtask_index.csv")]
    assert 0.2 < np.mean(share) < 0.95


VAL = "datasets/msls/train_val/cph"


def test_seasons():
    assert msls.season_of("2015-12-01", south=False) == "winter"
    assert msls.season_of("2015-03-28", south=False) == "winter"
    assert msls.season_of("2015-04-01", south=False) == "summer"
    assert msls.season_of("2015-07-01", south=True) == "winter"
    assert msls.season_of("2015-01-01", south=True) == "summer"


def test_descriptors_follow_hloc(world):
    out, info = world
    for city, counts in info["counts"].items():
        folder = next(f.parent for f in folders(out) if f.parent.name == city)
        with h5py.File(out / f"outputs/msls/{city}/global-feats-miniworld.h5") as file:
            assert set(file) == {"query", "database"}
            for role, count in counts.items():
                group = file[role]["images"]
                assert len(group) == count
                for key in (r["key"] for r in rows_of(folder / role / "raw.csv")):
                    image = group[f"{key}.jpg"]
                    vector, size = image["global_descriptor"], image["image_size"]
                    assert vector.dtype == np.float16 and vector.shape == (32,)
                    assert np.linalg.norm(vector[()].astype(float)) == pytest.approx(1, abs=2e-3)
                    assert size.dtype == np.int64
                    with Image.open(folder / role / "images" / f"{key}.jpg") as picture:
                        assert tuple(size[()]) == picture.size


def test_positions_agree_with_pyproj_and_gps_noise_is_metres(world):
    out, _ = world
    for folder in folders(out):
        zone = zone_of(plan.CENTRES[folder.parent.name][0])
        transform = pyproj.Transformer.from_crs("EPSG:4326", f"EPSG:326{zone}", always_xy=True)
        raw, post = rows_of(folder / "raw.csv"), rows_of(folder / "postprocessed.csv")
        lonlat = np.array([(float(r["lon"]), float(r["lat"])) for r in raw])
        true = np.array([(float(r["easting"]), float(r["northing"])) for r in post])
        offset = np.stack(transform.transform(*lonlat.T), 1) - true
        assert 1 < np.sqrt((offset**2).mean()) < 6


@pytest.mark.parametrize("lon,lat", [(12.57, 55.68), (-122.42, 37.77), (144.96, -37.81), (32, 0.3)])
def test_utm_agrees_with_pyproj(lon, lat):
    zone = zone_of(lon)
    code = f"EPSG:{327 if lat < 0 else 326}{zone:02d}"
    transform = pyproj.Transformer.from_crs("EPSG:4326", code, always_xy=True)
    lons, lats = lon + np.linspace(-1.5, 1.5, 13), lat + np.linspace(-0.2, 2, 13)
    expected = transform.transform(lons, lats)
    np.testing.assert_allclose(to_utm(lons, lats, zone), expected, atol=1e-5)
    back = to_lonlat(*expected, zone, south=lat < 0)
    np.testing.assert_allclose(back, (lons, lats), atol=1e-10)


def test_compass_noise_outliers_and_gaps():
    drives = scene_of("cph", plan.SIZES["small"], 0).drives["database"]
    random = np.random.default_rng(0)
    truth = np.degrees(np.concatenate([d.heading for d in drives]))
    angle = np.array([msls.noisy_headings(random, drives) for _ in range(60)])
    assert np.isnan(angle).mean() == pytest.approx(0.01, abs=0.003)
    heard = angle[~np.isnan(angle)]
    assert heard.min() >= 0 and heard.max() < 360
    error = (angle - truth + 180) % 360 - 180
    error = error[~np.isnan(error)]
    near = np.abs(error) < 40
    # 3 % point anywhere, 280 of 360 degrees of which lie outside of 40 degrees.
    assert 1 - near.mean() == pytest.approx(0.03 * 280 / 360, abs=0.006)
    assert error[near].std() == pytest.approx(8, abs=0.7)


def test_neither_worker_count_nor_caller_changes_a_file(world, tmp_path):
    """The second world is made by a script without a `__name__` guard, from standard input."""
    out, _ = world
    script = (
        "from gcsa.miniworld import generate, plan\n"
        f"plan.SIZES['mini'] = plan.{MINI!r}\n"
        f"generate({str(tmp_path)!r}, 'mini', seed=3, workers=1)\n"
    )
    root = Path(miniworld.__file__).parents[2]
    subprocess.run([sys.executable, "-"], input=script, text=True, cwd=root, check=True)
    assert snapshot(tmp_path) == snapshot(out)


def test_second_run_leaves_files_alone_and_others_need_force(world, mini_size, capsys):
    out, info = world
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert miniworld.generate(out, mini_size, seed=3) == info
    assert len(capsys.readouterr().out.splitlines()) == 1
    with pytest.raises(InputError, match="seed 3.*--force"):
        miniworld.generate(out, mini_size, seed=4)
    command = [sys.executable, "-m", "gcsa.miniworld", "--out", out, "--size", "tiny"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


def test_interrupted_run_is_continued_and_force_replaces(world, tmp_path, mini_size, monkeypatch):
    out, _ = world

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build, "write_features", interrupt)
        with pytest.raises(KeyboardInterrupt):
            miniworld.generate(tmp_path, mini_size, seed=4, test_truth=False)
    assert not list(tmp_path.rglob("*.h5")) and not list(tmp_path.rglob("*.tmp"))
    assert not (tmp_path / "miniworld.json").exists()
    rendered = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.jpg")}
    info = miniworld.generate(tmp_path, mini_size, seed=4, test_truth=False)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.jpg")} == rendered
    assert info == json.loads((tmp_path / "miniworld.json").read_text())
    assert sorted(p.name for p in (tmp_path / "datasets/msls/test/miami/query").iterdir()) == [
        "images",
        "seq_info.csv",
        "subtask_index.csv",
    ]
    miniworld.generate(tmp_path, mini_size, seed=3, force=True)
    assert snapshot(tmp_path) == snapshot(out)


def test_foreign_data_is_never_overwritten(tmp_path, mini_size):
    (tmp_path / VAL).mkdir(parents=True)
    for force in (False, True):
        with pytest.raises(InputError, match="not part of a miniworld"):
            miniworld.generate(tmp_path, mini_size, force=force)
    assert not list((tmp_path / VAL).iterdir())


def test_unknown_size_and_workers_are_refused(tmp_path):
    with pytest.raises(InputError, match="tiny, small, large"):
        miniworld.generate(tmp_path, "huge")
    with pytest.raises(InputError, match="at least 1"):
        miniworld.generate(tmp_path, "tiny", workers=-1)


def test_help_names_the_sizes(monkeypatch):
    monkeypatch.setattr("sys.argv", ["miniworld", "--help"])
    with redirect_stdout(io.StringIO()) as text, pytest.raises(SystemExit):
        main()
    assert "tiny: 4 cities, 560 images" in " ".join(text.getvalue().split())


# --- the world: coverage and difficulty of what is planned


def test_queries_lie_among_the_database():
    scene = scene_of("cph", plan.SIZES["small"], 0)
    query, database = (
        np.concatenate([d.position for d in scene.drives[role]]) for role in ("query", "database")
    )
    assert len(query) == 240 and len(database) == 560
    near = (np.hypot(*(query[:, None] - database).transpose(2, 0, 1)) <= 25).sum(1)
    assert 0 < (near == 0).mean() < 0.2
    assert 7 < near[near > 0].mean() < 16
    assert near.max() <= 45
    for drive in scene.drives["database"]:
        step = np.hypot(*np.diff(drive.position, axis=0).T)
        assert len(step) == 0 or np.median(step) < 9


# --- ray caster against closed forms


def wall(start, end, base=0.0, top=6.0, texture=0) -> Walls:
    numbers = [np.array([v], np.float32) for v in (start, end, base, top)]
    return Walls(*numbers, np.array([texture], np.int32), np.ones((1, 3), np.float32))


def plain(color) -> np.ndarray:
    texture = np.full((16, 16, 5), 255, np.uint8)
    texture[..., :3], texture[..., 3] = color, 0
    return texture


ATLAS = Atlas([plain((200, 10, 10)), plain((10, 10, 200))], texels=4)


def look(walls: Walls, camera):
    view = View.empty(camera)
    paint_walls(view, camera, walls, cast(walls, camera), ATLAS)
    return view


@pytest.mark.parametrize("heading", [0.0, 1.1, 3.0])
def test_wall_has_the_height_and_depth_of_the_closed_form(heading):
    ahead = np.array([np.sin(heading), np.cos(heading)])
    right = np.array([ahead[1], -ahead[0]])
    eye, distance, top = 1.5, 12.0, 6.0
    camera = perspective((3.0, -2.0), eye, heading, (160, 120))
    middle = camera.position + distance * ahead
    front = wall(middle - 50 * right, middle + 50 * right, top=top)
    hits = cast(front, camera)
    np.testing.assert_allclose(hits.range[:, 0] * camera.depth, distance, rtol=1e-4)
    across = 50 + distance * np.tan(camera.angle)
    np.testing.assert_allclose(hits.along[:, 0], across, rtol=1e-3)
    view = look(front, camera)
    painted = np.isfinite(view.range)
    focal = 80.0  # 90 degrees over 160 pixels
    assert np.all(np.abs(painted.sum(0) - focal * top / distance) <= 1)
    rows = np.flatnonzero(painted[:, 80])
    assert rows[0] == pytest.approx(60 - focal * (top - eye) / distance, abs=1)
    assert rows[-1] + 1 == pytest.approx(60 + focal * eye / distance, abs=1)


def test_nearer_wall_hides_the_farther_except_above():
    camera = perspective((0, 0), 1.5, 0.0, (160, 120))
    far = wall((-90, 20), (90, 20), top=12, texture=1)
    walls = Walls.join(far, wall((-90, 10), (90, 10), top=3))
    column = look(walls, camera).color[:, 80]
    near_top = 60 - round(80 * (3 - 1.5) / 10)
    far_top = 60 - round(80 * (12 - 1.5) / 20)
    assert (column[near_top + 1 : 70] == (200, 10, 10)).all()
    assert (column[far_top + 1 : near_top - 1] == (10, 10, 200)).all()
    assert (column[: far_top - 1] == 0).all()


def test_walls_are_seen_from_one_side_and_within_reach():
    camera = perspective((0, 0), 1.5, 0.0, (160, 120))
    facing, averted = wall((-5, 10), (5, 10)), wall((5, 10), (-5, 10))
    far = wall((-5, 500), (5, 500))
    assert nearby(Walls.join(averted, facing, far), camera, reach=100).tolist() == [1]
    behind = wall((5, -10), (-5, -10))
    assert not np.isfinite(look(behind, camera).range).any()
    empty = facing.take(np.zeros(0, int))
    assert not np.isfinite(look(empty, camera).range).any()


def test_transparent_texels_show_what_is_behind():
    pane = plain((0, 0, 0))
    pane[..., 4] = 0
    atlas = Atlas([pane, plain((10, 10, 200))], texels=4)
    camera = perspective((0, 0), 1.5, 0.0, (160, 120))
    walls = Walls.join(wall((-90, 10), (90, 10)), wall((-90, 20), (90, 20), texture=1))
    view = View.empty(camera)
    paint_walls(view, camera, walls, cast(walls, camera), atlas)
    assert (view.color[60] == (10, 10, 200)).all()
    np.testing.assert_allclose(view.range[60] * camera.depth, 20, rtol=1e-4)


def test_panorama_sees_all_around_and_floor_has_the_right_range():
    camera = panorama((0, 0), 1.5, 0.0, (240, 120))
    corners = np.array([(-8, 8), (8, 8), (8, -8), (-8, -8)], float)
    ends = zip(corners, np.roll(corners, -1, 0), strict=True)
    room = Walls.join(*(wall(a, b, top=3) for a, b in ends))
    hits = cast(room, camera)
    nearest = np.maximum(np.abs(np.sin(camera.angle)), np.abs(np.cos(camera.angle)))
    np.testing.assert_allclose(hits.range[:, 0], 8 / nearest, rtol=1e-4)
    row, col, distance, points = plane_points(camera, 0.0, np.ones((120, 240), bool))
    assert row.min() == 60 and len(np.unique(col)) == 240
    np.testing.assert_allclose(np.hypot(*points.T), distance, rtol=1e-3)
    elevation = (0.5 - (row + 0.5) / 120) * np.pi
    np.testing.assert_allclose(distance, -1.5 / np.tan(elevation), rtol=1e-3)


def test_distant_surfaces_take_smaller_copies():
    stripes = plain((0, 0, 0))
    stripes[:, ::2, :3] = 200
    atlas = Atlas([stripes], texels=4)
    one = np.zeros(1, int), np.array([0.3]), np.array([0.5])
    assert atlas.fetch(*one, np.array([0.1]))[0, 0] in (0, 200)
    assert atlas.fetch(*one, np.array([0.6]))[0, 0] == 100


def test_size_is_immutable_and_streams_differ_by_name():
    with pytest.raises(AttributeError):
        MINI.dim = 3
    assert replace(MINI, dim=3).dim == 3
    draws = {plan.random_of(0, *p).integers(2**40) for p in (("a",), ("b",), ("a", 1), (1, "a"))}
    assert len(draws) == 4
    assert plan.random_of(5, "a").integers(99) == plan.random_of(5, "a").integers(99)
