"""Radio pruning against a plain loop over images, bins and rows, and its corner cases by hand."""

import math

import numpy as np
import pytest
from captures import write_scene

from gcsa.datasets.lamar.scene import read_map, read_queries
from gcsa.errors import InputError
from gcsa.localization.pruning import PruningConfig, prune, prune_scene, retrieve_pruned
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.scans import Scans, clock_of


def table(times, clocks, transmitters, rssi):
    """Rows as a list of two tables of gcsa.sideinfo.radio, as WiFi and Bluetooth come."""
    tables = []
    for part in (slice(0, None, 2), slice(1, None, 2)):
        names, clock = np.unique(np.asarray(clocks, dtype=str)[part], return_inverse=True)
        ids, transmitter = np.unique(np.asarray(transmitters, dtype=str)[part], return_inverse=True)
        rows = np.asarray(times)[part], np.asarray(rssi, dtype=float)[part]
        frequency = np.full(len(rows[0]), -1.0)
        tables.append(Scans(rows[0], names, clock, ids, transmitter, rows[1], frequency))
    return tables


def rows(tables):
    """(time, clock, transmitter, rssi) of each row."""
    return [
        (t, s.clocks[c], s.transmitters[m], r)
        for s in tables
        for t, c, m, r in zip(s.timestamps, s.clock, s.transmitter, s.rssi_dbm, strict=True)
    ]


def oracle(positions, times, sessions, scans, query_times, query_sessions, query_scans, config):
    """The text of the paper's code, one row at a time."""

    scans, query_scans = rows(scans), rows(query_scans)

    def heard(time, session, of, before, after):
        return {i for i, r in enumerate(of) if r[1] == session and -before <= r[0] - time <= after}

    def means(of, near):
        ids = {of[i][2] for i in near}
        return {k: np.mean([of[i][3] for i in near if of[i][2] == k]) for k in ids}

    window, corner = config.window_us, np.floor(positions.min(axis=0))
    bins = {}
    for i in range(len(times)):
        key = tuple(np.floor(positions[i] - corner))
        bins.setdefault(key, set()).update(heard(times[i], sessions[i], scans, window, window))
    values = {key: means(scans, near) for key, near in bins.items() if near}
    known = {k for v in values.values() for k in v}
    members = {key: [] for key in values}
    for i in range(len(times)):
        key = tuple(np.floor(positions[i] - corner))
        if key not in values and values:
            local = positions[i] - corner
            key = min(values, key=lambda c: np.linalg.norm(np.array(c) + 0.5 - local))
        if values:
            members[key].append(i)
    result = np.ones((len(query_times), len(times)), dtype=bool)
    num = math.ceil(config.fraction * len(times))
    for q in range(len(query_times)):
        near = heard(query_times[q], query_sessions[q], query_scans, window, 0)
        own = {k: v for k, v in means(query_scans, near).items() if k in known}

        def distance(bin_values, own=own):
            return math.sqrt(sum((v - bin_values.get(k, -127)) ** 2 for k, v in own.items()))

        left = sorted(
            (distance(v), key) for key, v in values.items() if distance(v) < distance({}) - 1e-6
        )
        kept, last = [], None
        for d, key in left:
            if len(kept) > num and d > last + 1e-6:
                break
            if len(kept) <= num:
                last = d
            kept += members[key]
        if kept:
            result[q] = np.isin(np.arange(len(times)), kept)
    return result


def random_case(seed):
    """A few sub-sessions walking through a hall of 6 transmitters, some without radio."""
    random = np.random.default_rng(seed)

    def images(n):
        sessions = random.choice(["ios_a", "ios_b", "hl_c"], n)
        return random.integers(0, 40_000_000, n), sessions

    def scans(m):
        return table(
            random.integers(0, 40_000_000, m),
            random.choice(["ios_a", "ios_b"], m),
            random.choice(list("ABCDEF"), m),
            random.integers(-90, -30, m).astype(float),
        )

    positions = random.uniform([0, 0, 0], [6, 5, 1.5], size=(60, 3)) - [3.3, 2.1, 0.4]
    config = PruningConfig(int(random.integers(500_000, 4_000_000)), float(random.uniform(0, 0.4)))
    return positions, *images(60), scans(40), *images(12), scans(40), config


@pytest.mark.parametrize("seed", range(12))
def test_as_a_plain_loop_does(seed):
    case = random_case(seed)
    mask = prune(*case)
    np.testing.assert_array_equal(mask, oracle(*case))
    assert mask.all(axis=1).any() and not mask.all()


def one(time=0, transmitter="x", rssi=-50.0):
    """One scan of the query's sub-session."""
    return table([time], ["q"], [transmitter], [rssi])


def line(rssi, **config):
    """One image every 10 m, a scan of transmitter x with this RSSI at each, and a query."""
    n = len(rssi)
    positions = np.zeros((n, 3))
    positions[:, 0] = 10 * np.arange(n)
    times, clocks = 10_000_000 * np.arange(n), np.full(n, "m")
    case = (positions, times, clocks, table(times, clocks, np.full(n, "x"), rssi))
    return (*case, np.array([0]), np.array(["q"])), PruningConfig(**{"fraction": 1e-9, **config})


def test_bins_are_taken_until_there_are_more_than_asked_for():
    case, settings = line([-50, -53, -57, -70])
    # ceil(1e-9 * 4) = 1 image asked for: the second bin makes it more than one.
    assert prune(*case, one(), settings)[0].tolist() == [True, True, False, False]
    settings.fraction = 0.5
    assert prune(*case, one(), settings)[0].tolist() == [True, True, True, False]
    settings.fraction = 1.0
    assert prune(*case, one(), settings)[0].all()


def test_bins_as_far_as_the_last_one_are_kept():
    case, settings = line([-50, -53, -47, -53 - 5e-7, -53 - 5e-6])
    assert prune(*case, one(), settings)[0].tolist() == [True, True, True, True, False]


def test_a_bin_no_nearer_than_silence_is_dropped():
    # 77 dB from silence; a bin at +27 dBm is as far on the other side.
    case, settings = line([27, 26, -127], fraction=1.0)
    assert prune(*case, one(), settings)[0].tolist() == [False, True, False]


def test_queries_keep_everything_when_radio_says_nothing():
    case, settings = line([-50, -60, -70])
    other = table([0], ["m"], ["x"], [-50])  # the map's clock, not the query's
    for scans in ([], one(transmitter="y"), one(time=1), one(time=-2_000_001), other):
        assert prune(*case, scans, settings).all()
    assert not prune(*case, one(time=-2_000_000), settings).all()
    assert prune(*case[:3], [], *case[4:], one(), settings).all()


def test_a_scan_counts_once_in_a_bin():
    """Two images of a bin hear the scan of -40, one of them that of -80 too: the mean is -60."""
    positions = np.array([[0.1, 0, 0], [0.2, 0, 0], [5.0, 0, 0], [9.0, 0, 0]])
    times, clocks = np.array([0, 2_000_000, 50_000_000, 90_000_000]), np.full(4, "m")
    moments = [1_000_000, 4_000_000, 50_000_000, 90_000_000]
    scans = table(moments, clocks, np.full(4, "x"), [-40, -80, -58, -63])
    query = (np.array([0]), np.array(["q"]), one(rssi=-60.9))
    mask = prune(positions, times, clocks, scans, *query, PruningConfig(2_000_000, 1e-9))
    assert mask[0].tolist() == [True, True, False, False]  # the doubly counted mean is -53.3


def test_every_map_image_needs_a_position():
    case, settings = line([-50, -60])
    with pytest.raises(InputError, match="every map image needs a position"):
        prune(case[0] * np.nan, *case[1:], one(), settings)


def test_a_scene_from_its_sessions(tmp_path):
    """Columns and rows are those of the scene; every image of a query's line hears the same."""
    write_scene(tmp_path / "CAB")
    mapped, parts = read_map(tmp_path / "CAB"), read_queries(tmp_path / "CAB", "val")
    settings = PruningConfig(5_000_000, 0.1)
    mask = prune_scene(mapped, parts, settings)
    assert mask.shape == (sum(len(p.rows) for p in parts), 20)
    lens = mask[len(parts[0].rows) :]
    np.testing.assert_array_equal(lens, lens[::4][parts[1].queries])
    session, maps = parts[0].session, mapped.session
    case = [mapped.poses()[1], maps.images.timestamps, clock_of(maps.images.sensor_ids)]
    rows_of = parts[0].rows
    expected = oracle(
        *case,
        [maps.wifi, maps.bluetooth],
        session.images.timestamps[rows_of],
        clock_of(session.images.sensor_ids[rows_of]),
        [session.wifi, session.bluetooth],
        settings,
    )
    np.testing.assert_array_equal(mask[: len(rows_of)], expected)
    assert not mask.all()


def test_retrieval_among_what_is_left():
    random = np.random.default_rng(0)
    unit = random.normal(size=(12, 8))
    unit = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float16)
    images = [ImageSet(np.array([f"{r}{i}" for i in range(6)]), unit[6 * r :][:6]) for r in (0, 1)]
    scene = Scene("s", *images)
    every = retrieve_pruned(scene, np.ones((6, 6), dtype=bool), 8)
    np.testing.assert_array_equal(every.indices, retrieve(scene, 8).indices)
    np.testing.assert_allclose(every.scores, retrieve(scene, 8).scores, rtol=1e-6)
    allowed = random.random((6, 6)) < 0.5
    pruned = retrieve_pruned(scene, allowed, 4)
    for q in range(6):
        expected = [d for d in every.indices[q, :6] if allowed[q, d]][:4]
        assert pruned.indices[q].tolist() == expected + [-1] * (4 - len(expected))
    with pytest.raises(InputError, match=r"a mask of shape .6, 5. does not fit"):
        retrieve_pruned(scene, allowed[:, :5], 4)


def test_a_large_map_in_seconds():
    random = np.random.default_rng(0)
    n, m = 20_000, 100_000
    positions = random.uniform(0, 60, size=(n, 3)) * [1, 1, 0.02]
    times, sessions = np.arange(n) * 200_000, np.full(n, "s")
    scans = table(
        np.sort(random.integers(0, n * 200_000, m)),
        np.full(m, "s"),
        random.integers(0, 500, m),
        random.uniform(-90, -30, m),
    )
    mask = prune(positions, times, sessions, scans, times[400::400], sessions[400::400], scans)
    assert (mask.sum(axis=1) > 0.025 * n).all() and (mask.sum(axis=1) < 0.05 * n).all()
