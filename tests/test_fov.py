"""Field-of-view overlap against closed forms, plain Shapely loops, and the compiled shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa import fov

ROOT = Path(__file__).resolve().parents[1]
QUARTER = np.pi / 2
STATES = st.integers(0, 2**32 - 1)


@pytest.fixture(params=list(fov.BACKENDS))
def backend(request):
    return request.param


def widest(backend):
    """Degrees that a backend can take, at the most."""
    return 180 if backend == "convex" else 350


def polygon(position, heading, radius=50.0, angle=QUARTER, points=16):
    arc = [heading + angle * (k / (points - 2) - 0.5) for k in range(points - 1)]
    x, y = position
    return shapely.Polygon(
        [(x, y)] + [(x + radius * np.sin(a), y + radius * np.cos(a)) for a in arc]
    )


def plain_overlap(position_a, heading_a, position_b, heading_b, **field):
    a, b = polygon(position_a, heading_a, **field), polygon(position_b, heading_b, **field)
    return a.intersection(b).area / a.area


def street(n=60, state=0, width=150.0):
    """Cameras at UTM coordinates."""
    rng = np.random.default_rng(state)
    return rng.uniform(0, width, (n, 2)) + [6.2e5, 5.1e6], rng.uniform(-9, 9, n)


def one_pair(offset, turn, **kwargs):
    return fov.overlap_of_pairs([[0, 0]], [0.0], [offset], [turn], **kwargs)[0]


def test_sectors_are_the_polygons_of_the_definition():
    positions, headings = street(5)
    drawn = fov.sectors(positions, headings, radius=20.0, angle=1.0, points=7)
    assert drawn.shape == (5, 7, 2)
    for vertices, position, heading in zip(drawn, positions, headings, strict=True):
        expected = polygon(position, heading, radius=20.0, angle=1.0, points=7)
        np.testing.assert_allclose(vertices, expected.exterior.coords[:-1], rtol=0, atol=1e-8)
    round_ = shapely.polygons(fov.sectors([[0, 0]], [1.0], radius=10.0, angle=4.0, points=1024)[0])
    assert round_.area == pytest.approx(10.0**2 * 4 / 2, rel=1e-5)


def test_facing_cameras_beyond_the_radius(backend):
    expected = plain_overlap((0, 0), 0.0, (0, 60), np.pi)
    assert expected == pytest.approx(0.81, abs=0.005)
    assert one_pair([0, 60], np.pi, backend=backend) == pytest.approx(expected, abs=1e-9)
    assert one_pair([0, 60], np.pi, cutoff="published", backend=backend) == 0


@pytest.mark.parametrize(
    ("offset", "turn", "field", "expected"),
    [
        ([0, 0], 0.0, {}, 1),
        ([0, 0], 2 * np.pi, {}, 1),
        ([0, 0], np.pi, {}, 0),  # back to back
        ([0, 0], QUARTER, {}, 0),  # side by side
        ([0, 100], np.pi, {}, 0),  # arcs that touch
        ([0, 0], np.pi / 4, {"points": 3}, np.sqrt(2) - 1),  # right triangles
        ([0, 10], 0.0, {"points": 3}, (1 - 10 / (50 / np.sqrt(2))) ** 2),  # similar triangles
        ([0, 0], QUARTER, {"points": 5, "angle": 1.5 * np.pi}, 2 / 3),  # squares less a quarter
        ([0, 0], np.pi, {"points": 5, "angle": 1.5 * np.pi}, 2 / 3),
        ([0, 0], np.pi, {"points": 4, "angle": np.pi}, 0),  # half planes
    ],
)
def test_closed_forms(backend, offset, turn, field, expected):
    if field.get("angle", 0) > np.deg2rad(widest(backend)):
        with pytest.raises(ValueError, match="'convex' is for angles up to pi"):
            one_pair(offset, turn, **field, backend=backend)
        return
    assert one_pair(offset, turn, **field, backend=backend) == pytest.approx(expected, abs=1e-10)


def test_fields_that_share_only_an_edge_do_not_overlap(backend):
    # Some versions of GEOS take a whole field for the intersection of a few of these.
    rng = np.random.default_rng(0)
    for degrees, points in [(10, 3), (30, 5), (30, 7), (45, 12), (60, 6), (90, 16), (150, 8)]:
        angle = np.deg2rad(degrees)
        heading, jitter = rng.uniform(0, 7, 2000), rng.normal(0, 1e-15, (2000, 2))
        zero = np.zeros((2000, 2))
        overlaps = fov.overlap_of_pairs(
            zero, heading, jitter, heading + angle, angle=angle, points=points, backend=backend
        )
        assert overlaps.max() < 1e-9


def test_published_cut_and_normalisation(backend):
    positions, headings = street()
    exact = fov.overlap_pairs(positions, headings, backend=backend)
    published = fov.overlap_pairs(positions, headings, cutoff="published", backend=backend)
    distance = np.hypot(*(positions[:, None] - positions).transpose(2, 0, 1))
    share = polygon((0, 0), 0.0).area / (50.0**2 * QUARTER / 2)
    expected = np.where(distance <= 50, exact * share, 0)
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(published, expected, rtol=0, atol=1e-12)
    assert np.any(exact[distance > 50] > 0.3)
    same = one_pair([0, 0], 0.0, cutoff="published", backend=backend)  # two cameras, one pose
    assert same == pytest.approx(share)


def test_ten_thousand_pairs_equal_plain_shapely(backend):
    rng = np.random.default_rng(2)
    worst, count = 0.0, 0
    while count < 10_000:
        points, angle = int(rng.integers(3, 65)), np.deg2rad(rng.uniform(10, widest(backend)))
        if angle / (points - 2) > 3.1:
            continue
        field = {"radius": rng.uniform(1, 80), "angle": angle, "points": points}
        a, b = rng.uniform(-1, 1, (2, 50, 2)) * field["radius"] * 0.8
        heading_a, heading_b = rng.uniform(-7, 7, (2, 50))
        expected = [plain_overlap(*pair, **field) for pair in zip(a, heading_a, b, heading_b)]  # noqa: B905
        found = fov.overlap_of_pairs(a, heading_a, b, heading_b, **field, backend=backend)
        worst, count = max(worst, abs(found - expected).max()), count + 50
    assert worst < 1e-9


@pytest.mark.skipif("convex" not in fov.BACKENDS, reason="built without GEOS")
@settings(max_examples=200, deadline=None)
@given(STATES, st.floats(0.2, np.pi), st.integers(5, 40), st.booleans())
def test_clipping_equals_geos_on_grids_too(state, angle, points, on_a_grid):
    """Duplicate cameras and shared edges are frequent on the grid."""
    rng = np.random.default_rng(state)
    positions, headings = rng.uniform(0, 120, (30, 2)) + [5e5, 6e6], rng.uniform(0, 7, 30)
    if on_a_grid:
        positions, headings = np.round(positions / 25) * 25, np.round(headings / angle) * angle
    field = {"angle": angle, "points": points}
    one, two = (
        fov.overlap_pairs(positions, headings, **field, backend=b) for b in ("convex", "geos")
    )
    assert abs(one - two).max() < 1e-9


@settings(max_examples=60, deadline=None)
@given(STATES, st.floats(0.2, 6.1), st.integers(5, 40), st.floats(-10, 10))
def test_invariances(state, angle, points, turn):
    positions, headings = street(8, state, width=80.0)
    field = {"angle": angle, "points": points}
    overlaps = fov.overlap_pairs(positions, headings, **field)
    assert np.array_equal(overlaps, overlaps.T)
    assert overlaps.min() >= 0 and overlaps.max() <= 1 and np.all(np.diag(overlaps) == 1)
    backwards = fov.overlap_pairs(positions[::-1], headings[::-1], **field)[::-1, ::-1]
    np.testing.assert_allclose(overlaps, backwards, rtol=0, atol=1e-9)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = (positions - positions[0]) @ rotation + [300.0, -7.0]
    moved = fov.overlap_pairs(moved, headings + turn, **field)
    np.testing.assert_allclose(overlaps, moved, rtol=0, atol=1e-7)  # UTM: 1e-9 m, in 80 m
    pair = plain_overlap(positions[0], headings[0], positions[1], headings[1], **field)
    assert overlaps[0, 1] == pytest.approx(pair, abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(STATES, st.sampled_from(fov.CUTOFFS), st.integers(0, 12), st.booleans())
def test_all_functions_agree(state, cutoff, n, masked):
    rng = np.random.default_rng(state)
    positions, headings = street(n, state, width=120.0)
    mask = rng.random(n) < 0.7 if masked else None
    seen = np.ones(n, bool) if mask is None else mask
    positions[~seen], headings[~seen] = np.nan, np.inf
    settings = {"cutoff": cutoff, "mask": mask}
    pairs = fov.overlap_pairs(positions, headings, **settings)
    assert np.array_equal(np.diag(pairs), seen)
    sparse = fov.overlap_sparse(positions, headings, **settings)
    np.testing.assert_array_equal(sparse.toarray(), pairs)
    assert sparse.has_sorted_indices and np.all(sparse.data > 0)

    candidates = rng.integers(-1, n, (3, 9))
    block = fov.overlap_block(positions, headings, candidates, 7, 4, **settings)
    row, anchor = candidates[:, :7, None], candidates[:, None, :4]
    padded = np.pad(pairs, (0, 1))  # index -1 finds zeros
    np.testing.assert_allclose(block, padded[row, anchor], rtol=0, atol=1e-12)

    for k in np.flatnonzero(seen):
        found = fov.overlap_with(positions[k], headings[k], positions, headings, **settings)
        found[k] = 1  # by its pose alone; "published" leaves it a little below 1
        np.testing.assert_allclose(found, pairs[k], rtol=0, atol=1e-12)


def test_sparse_in_many_pieces_with_bounded_memory(monkeypatch):
    positions, headings = street(150)
    whole = fov.overlap_pairs(positions, headings)
    monkeypatch.setattr(fov, "_CHUNK", 1 << 10)
    np.testing.assert_array_equal(fov.overlap_sparse(positions, headings).toarray(), whole)


def test_mask_of_pairs():
    positions, headings = street(20)
    mask = np.random.default_rng(0).random((20, 20)) < 0.5
    mask[3] = mask[:, 3] = False
    expected = np.where(mask, fov.overlap_pairs(positions, headings), 0)
    positions[3] = np.nan
    np.testing.assert_array_equal(fov.overlap_pairs(positions, headings, mask=mask), expected)


def test_empty(backend):
    none, no = np.zeros((0, 2)), np.zeros(0)
    assert fov.overlap_pairs(none, no, backend=backend).shape == (0, 0)
    assert fov.overlap_of_pairs(none, no, none, no, backend=backend).shape == (0,)
    assert fov.overlap_with([0, 0], 0.0, none, no, backend=backend).shape == (0,)
    assert fov.overlap_sparse(none, no, backend=backend).shape == (0, 0)
    assert not fov.overlap_block(none, no, [[-1, -1]], 2, 1, backend=backend).any()
    assert fov.sectors(none, no).shape == (0, 16, 2)


def test_other_types_and_strides(backend):
    positions = np.arange(24).reshape(6, 4)[:, ::2]  # int, not contiguous
    whole = fov.overlap_pairs(positions, np.zeros(6, np.float16), backend=backend)
    copy = positions.astype(float).copy()
    np.testing.assert_array_equal(whole, fov.overlap_pairs(copy, [0.0] * 6, backend=backend))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_camera_that_is_not_finite_is_named(backend, bad):
    positions, headings = street(6)
    broken = headings.copy()
    broken[3] = bad
    with pytest.raises(ValueError, match=f"heading of camera 3 is {bad}"):
        fov.overlap_pairs(positions, broken, backend=backend)
    with pytest.raises(ValueError, match="heading of camera 3 of b is"):
        fov.overlap_of_pairs(positions, headings, positions, broken, backend=backend)
    with pytest.raises(ValueError, match="heading of camera 0 .the one. is"):
        fov.overlap_with(positions[0], bad, positions, headings, backend=backend)
    fov.overlap_block(positions, broken, [[0, 1, 2]], 3, 2, backend=backend)  # 3 is in no list
    positions[4, 1] = bad
    with pytest.raises(ValueError, match="position of camera 4 is"):
        fov.overlap_sparse(positions, headings, backend=backend)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": np.zeros((4, 3))}, r"positions must be real, \(n, 2\), not .*\(4, 3\)"),
        ({"headings": np.zeros(3)}, r"headings must be real, \(4,\), not .*\(3,\)"),
        ({"headings": ["a", "b", "c", "d"]}, "headings must be real"),
        ({"positions": np.zeros((4, 2), complex)}, "positions must be real"),
        ({"mask": np.ones(4)}, "mask must be bool"),
        ({"mask": np.ones((4, 3), bool)}, r"mask must be bool, \(4, 4\)"),
        ({"radius": 0}, "radius must be positive"),
        ({"points": 2}, "points must be a whole number from 3"),
        ({"points": 16.0}, "points must be a whole number"),
        ({"angle": 0.0}, "angle must be between 0 and 2 pi"),
        ({"angle": 2 * np.pi}, "angle must be between 0 and 2 pi"),
        ({"angle": np.nan}, "angle must be between"),
        ({"angle": np.pi, "points": 3}, "needs more than 3 points"),
        ({"cutoff": "near"}, "cutoff must be one of exact, published here, not 'near'"),
        ({"backend": "cgal"}, "backend must be one of .* not 'cgal'"),
    ],
)
def test_wrong_arguments(changes, message):
    arguments = {"positions": np.zeros((4, 2)), "headings": np.zeros(4), **changes}
    with pytest.raises(ValueError, match=message):
        fov.overlap_pairs(**arguments)


def test_wrong_candidates():
    for candidates, rows, message in [
        ([[0, 4]], 2, "candidates must be from -1 to 3"),
        ([[0, -2]], 2, "candidates must be from -1 to 3"),
        ([0, 1], 2, r"candidates must be int, \(B, N\)"),
        ([[0.0, 1.0]], 2, "candidates must be int"),
        ([[0, 1]], 3, "rows 3, anchors 1 must be from 0 to 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            fov.overlap_block(np.zeros((4, 2)), np.zeros(4), candidates, rows, 1)


def test_config_gives_radians():
    kwargs = fov.FovConfig(radius=10.0).kwargs()
    fastest = "convex" if "convex" in fov.BACKENDS else None
    field = {"radius": 10.0, "angle": QUARTER, "points": 16, "cutoff": "exact"}
    assert kwargs == {**field, "backend": fastest}
    assert fov.FovConfig(angle=270.0).kwargs()["backend"] is None
    assert fov.overlap_pairs(*street(3), **kwargs).shape == (3, 3)


@pytest.mark.skipif(not shutil.which("geos-config"), reason="GEOS is not installed")
def test_compiled_where_geos_is_installed():
    assert fov.backend() == "geos"


def test_without_the_compiled_part_the_numbers_are_the_same():
    code = """if True:
        import sys
        sys.modules["gcsa._fov"] = None
        from gcsa import fov
        print(fov.backend(), fov.overlap_of_pairs([[0, 0]], [0.], [[0, 60]], [3.])[0])
        fov.overlap_pairs([[0, 0]], [0.], backend="geos")"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    name, overlap = done.stdout.split()
    assert (name, float(overlap)) == ("shapely", pytest.approx(one_pair([0, 60], 3.0), abs=1e-9))
    assert "backend must be one of shapely here, not 'geos'" in done.stderr


def test_the_install_succeeds_without_geos(tmp_path):
    pytest.importorskip("setuptools", reason="builds need setuptools")
    command = [sys.executable, "setup.py", "-q", "build_ext", "-f", "-b", tmp_path, "-t", tmp_path]
    environment = {**os.environ, "GEOS_CONFIG": str(tmp_path / "missing")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and not list(tmp_path.rglob("*_fov*"))
    line = next(line for line in done.stderr.splitlines() if line.startswith("gcsa:"))
    assert "apt-get install libgeos-dev" in line and "brew install geos" in line


@pytest.fixture
def areas():
    return pytest.importorskip("gcsa._fov", reason="built without GEOS").intersection_areas


def test_the_shell_refuses_what_does_not_fit(areas):
    poses, out = np.zeros((4, 3)), np.zeros(4)
    frozen = np.zeros(4)
    frozen.setflags(write=False)
    for error, arguments in [
        (TypeError, (poses.astype(np.float32), 1.0, 16, out)),
        (TypeError, (poses.astype(">f8"), 1.0, 16, out)),
        (TypeError, (poses.ravel(), 1.0, 16, out)),
        (TypeError, (poses, 1.0, 16, out[:, None])),
        (TypeError, (poses.tolist(), 1.0, 16, out)),
        (TypeError, (poses, "wide", 16, out)),
        (TypeError, (poses, 1.0, 16)),
        ((ValueError, BufferError), (poses, 1.0, 16, frozen)),
        ((ValueError, BufferError), (poses[::2], 1.0, 16, out[:2])),
        (ValueError, (poses, 1.0, 16, out[:3])),  # too short
        (ValueError, (poses[:, :2].copy(), 1.0, 16, out)),
        (ValueError, (poses, 1.0, 2, out)),
        (ValueError, (poses, 1.0, 2**20, out)),
        (OverflowError, (poses, 1.0, 2**40, out)),
        (ValueError, (poses, np.nan, 16, out)),
        (ValueError, (np.full((4, 3), np.inf), 1.0, 16, out)),
    ]:
        with pytest.raises(error):
            areas(*arguments)


def test_an_error_of_geos_is_raised_and_memory_stays_flat(areas):
    poses, out = np.array([[0.1, 0.2, 1.0]]), np.zeros(1)

    def many(times):
        for _ in range(times):
            areas(poses, QUARTER, 16, out)
            with pytest.raises(RuntimeError, match="TopologyException"):
                areas(poses, np.deg2rad(400), 16, out)  # a polygon that crosses itself
            with pytest.raises(ValueError, match="pose 0"):
                areas(poses * np.nan, QUARTER, 16, out)

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    many(2000)
    if Path("/proc/self/statm").exists():
        before = resident()
        many(10_000)
        assert resident() - before < 2**20
