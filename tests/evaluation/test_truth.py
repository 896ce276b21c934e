"""Labels and counts against loops, and that noise in the truth changes no score."""

import numpy as np
import pytest
import shapely
import torch

from gcsa.errors import InputError
from gcsa.evaluation.truth import Truth, labels, num_relevant
from gcsa.models.gcsa import GCSA
from gcsa.ranking.lists import Ranking
from gcsa.ranking.refine import refine
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.affinity import Lists, SideInformation
from gcsa.sideinfo.fov import FovConfig


def make(n=60, q=12, seed=0, extent=150.0):
    random = np.random.default_rng(seed)

    def poses(count):
        return random.uniform(0, extent, (count, 2)) + [5e5, 6e6], random.uniform(0, 7, count)

    def unit(count):
        rows = random.normal(size=(count, 8))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)

    positions, headings = poses(n)
    names = np.array([f"d{i}" for i in range(n)])
    database = ImageSet(names, unit(n), positions, headings)
    position, heading = poses(q)
    queries = ImageSet(np.array([f"q{i}" for i in range(q)]), unit(q), headings=heading)
    return Scene("s", database, queries), Truth(position, heading.copy())


def field(position, heading, config):
    angles = heading + np.deg2rad(config.angle) * np.linspace(-0.5, 0.5, config.points - 1)
    arc = position + config.radius * np.stack([np.sin(angles), np.cos(angles)], 1)
    return shapely.Polygon([position, *arc])


def expected(rule, scene, truth, config):
    """(q, n) bool, pair by pair."""
    result = np.zeros((len(scene.queries), len(scene.database)), dtype=bool)
    for i, j in np.ndindex(result.shape):
        a, b = truth.positions[i], scene.database.positions[j]
        if rule == "dist":
            result[i, j] = np.hypot(*(a - b)) <= 25
        elif np.isfinite(truth.headings[i]):
            one = field(a, truth.headings[i], config)
            two = field(b, scene.database.headings[j], config)
            near = config.cutoff == "exact" or np.hypot(*(a - b)) <= config.radius
            full = one.area if config.cutoff == "exact" else config.radius**2 * np.pi / 4
            result[i, j] = near and one.intersection(two).area / full >= 1 / 3
    return result


@pytest.mark.parametrize("cutoff", ["exact", "published"])
@pytest.mark.parametrize("rule", ["dist", "fov"])
def test_labels_and_counts_by_definition(rule, cutoff):
    scene, truth = make()
    truth.headings[3] = np.nan
    config = FovConfig(cutoff=cutoff)
    random = np.random.default_rng(1)
    candidates = np.stack([random.permutation(60)[:30] for _ in range(12)])
    candidates[5, 20:] = -1
    relevant = expected(rule, scene, truth, config)
    wanted = np.take_along_axis(relevant, np.maximum(candidates, 0), axis=1) & (candidates >= 0)
    assert wanted.any() and not wanted.all()
    np.testing.assert_array_equal(labels(rule, scene, truth, candidates, config), wanted)
    counts = num_relevant(rule, scene, truth, config)
    np.testing.assert_array_equal(counts, relevant.sum(axis=1))


def test_25_metres_are_included_and_height_does_not_count():
    names = np.array(["a", "b", "c"])
    positions = np.array([[25.0, 0, 90], [0, 25.001, 0], [15, 20, 0]])
    scene = Scene("s", ImageSet(names, positions=positions), ImageSet(np.array(["q"])))
    truth = Truth(np.zeros((1, 3)))
    relevant = labels("dist", scene, truth, np.array([[0, 1, 2]]), FovConfig())
    assert relevant.tolist() == [[True, False, True]]
    assert num_relevant("dist", scene, truth, FovConfig()).tolist() == [2]


def test_fields_on_other_levels_do_not_overlap():
    names = np.array(["a", "b", "c"])
    positions = np.array([[0, 0, 2.9], [0, 0, -3.1], [0, 0, 0]], dtype=float)
    database = ImageSet(names, positions=positions, headings=np.zeros(3))
    scene = Scene("s", database, ImageSet(np.array(["q"])))
    truth = Truth(np.zeros((1, 3)), np.zeros(1))
    relevant = labels("fov", scene, truth, np.array([[0, 1, 2]]), FovConfig())
    assert relevant.tolist() == [[True, False, True]]
    assert num_relevant("fov", scene, truth, FovConfig()).tolist() == [2]


def test_unknown_positions_are_relevant_to_none():
    scene, truth = make(extent=20)
    positions = scene.database.positions.copy()
    positions[:5] = np.nan
    scene = Scene("s", ImageSet(scene.database.names, positions=positions), scene.queries)
    truth.positions[0] = np.nan
    assert num_relevant("dist", scene, truth, FovConfig())[0] == 0
    relevant = labels("dist", scene, truth, np.tile(np.arange(60), (12, 1)), FovConfig())
    assert not relevant[0].any() and not relevant[:, :5].any() and relevant[1, 5:].any()


def test_what_lacks_is_named():
    scene, truth = make()
    bare = Scene("bare", ImageSet(scene.database.names), scene.queries)
    with pytest.raises(InputError, match="bare: labels 'dist' need the positions"):
        labels("dist", bare, truth, np.zeros((12, 1), dtype=int), FovConfig())
    with pytest.raises(InputError, match="s: labels 'fov' need the headings"):
        labels("fov", scene, Truth(truth.positions), np.zeros((12, 1), dtype=int), FovConfig())


def test_noise_for_truth_changes_no_affinity_and_no_score():
    """Whatever the benchmark believes: what a scorer sees and says is the same, bit for bit."""
    scene, truth = make()
    random = np.random.default_rng(3)
    indices = np.stack([random.permutation(60)[:20] for _ in range(12)])
    candidates = Ranking(indices, np.tile(np.linspace(1, 0, 20, dtype="f4"), (12, 1)))
    torch.manual_seed(0)
    model = GCSA(8, 4, 12, 20, 10, 1, 2, aff_dim=10 + 11)
    found = []
    for _ in range(2):
        side = SideInformation(scene, ["positional-db", "heading"], FovConfig())
        columns = side.columns(Lists(np.arange(12), indices, 20, 10))
        found.append((columns, refine(model, scene, candidates, side)))
        labels("dist", scene, truth, indices, FovConfig())
        truth.positions[:] = random.normal(size=truth.positions.shape) * 1e3
        truth.headings[:] = random.normal(size=truth.headings.shape)
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1].scores, found[1][1].scores)
    np.testing.assert_array_equal(found[0][1].indices, found[1][1].indices)


def test_true_poses_far_out_of_range_are_refused():
    unknown = np.full((2, 2), np.nan)
    Truth(unknown, np.array([np.nan, 7.0]))
    with pytest.raises(InputError, match=r"truth.headings: row 1 has 1e.16, beyond 62.832 radians"):
        Truth(unknown, np.array([0, 1e16]))
    with pytest.raises(InputError, match=r"truth.positions: row 0 has 1e.09, beyond 1e.08 metres"):
        Truth(np.array([[0, 1e9], [0, 0]]))
