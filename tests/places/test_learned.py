"""The network of places in the locator: zero weights, the order of candidates, what is unknown."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from gcsa.errors import InputError
from gcsa.models.place import PlaceConfig, PlaceNet
from gcsa.models.place_files import is_place, load_place, save_place
from gcsa.places.calibration import Calibration
from gcsa.places.inputs import FEATURES, PAIRS
from gcsa.places.locator import Locator
from gcsa.places.settings import PosteriorConfig
from gcsa.ranking.lists import Ranking
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.radio import Radio
from gcsa.sideinfo.rules import Rule

Q, N, K = 5, 40, 12
KINDS = {
    "positions": ("positions",),
    "headings": ("headings",),
    "radio": ("radio",),
    "sequences": ("sequences",),
}


def unit(random, count):
    rows = random.normal(size=(count, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def heard(random, count):
    dense = np.where(random.random((count, 8)) < 0.5, random.uniform(-480, -10, (count, 8)), 0)
    return Radio(csr_array(dense), np.arange(8).astype(str))


def images(random, count, prefix, **known):
    names = np.array([f"{prefix}{i}" for i in range(count)])
    return ImageSet(
        names,
        unit(random, count),
        headings=random.uniform(-3, 3, count),
        radio=heard(random, count),
        **known,
    )


@pytest.fixture
def scene():
    random = np.random.default_rng(0)
    places = random.uniform(0, 120, (N, 2))
    known = {"positions": places, "sequences": np.arange(N) // 5}
    return Scene("s", images(random, N, "d", **known), images(random, Q, "q"))


@pytest.fixture
def lists(scene):
    alike = scene.queries.descriptors.astype(np.float32) @ scene.database.descriptors.T
    order = np.argsort(-alike, axis=1)[:, :K]
    return Ranking(order, np.take_along_axis(alike, order, axis=1).astype(np.float32))


def network(layers=2, seed=0, head=0.5, keys=8):
    torch.manual_seed(seed)
    made = PlaceNet(FEATURES, PAIRS, 16, layers, 4, 8, keys)
    torch.nn.init.normal_(made.head.weight, std=head) if head else None
    return made


def located(scene, lists, net, rule="dist", **settings):
    locator = Locator(scene, Rule.of(rule), FovConfig(), Calibration(), network=net)
    return locator.locate(lists, PosteriorConfig(**settings))


def by_image(scene, lists, found):
    """Probabilities and relevance of database rows, (Q, n)."""
    values = np.zeros((2, len(lists), len(scene.database)))
    for q, rows in enumerate(lists.indices):
        kept = rows >= 0
        values[0, q, rows[kept]] = found.probability[q, kept]
        values[1, q, rows[kept]] = found.scores[q, kept]
    return values


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("placed", [True, False])
def test_with_zero_weights_it_is_exactly_the_posterior(scene, lists, layers, placed):
    if not placed:
        scene = replace(scene, database=replace(scene.database, positions=None))
    found = located(scene, lists, network(layers, head=0))
    bare = located(scene, lists, None)
    np.testing.assert_array_equal(found.order, bare.order)
    np.testing.assert_array_equal(found.probability, bare.probability)
    # Without positions the posterior leaves out what is below its cut, 0.001.
    np.testing.assert_allclose(found.scores, bare.scores, atol=1e-6 if placed else 1e-3)
    changed = located(scene, lists, network(layers))
    assert np.abs(changed.probability - bare.probability).max() > 0.01


def test_one_that_does_not_correct_knows_nothing_at_first(scene, lists):
    made = PlaceNet(FEATURES, PAIRS, 16, 1, 4, 8, 8, residual=False)
    found = located(scene, lists, made)
    np.testing.assert_allclose(found.probability, 1 / (K + 1), atol=1e-6)


@pytest.mark.parametrize("missing", [(), *([name] for name in KINDS), tuple(KINDS)])
def test_the_order_of_the_candidates_does_not_matter(scene, lists, missing):
    gone = {name: None for name in missing}
    scene = replace(
        scene,
        database=replace(scene.database, **gone),
        queries=replace(scene.queries, **{n: None for n in gone if n in ("headings", "radio")}),
    )
    order = np.random.default_rng(1).permuted(np.tile(np.arange(K), (Q, 1)), axis=1)
    mixed = Ranking(
        np.take_along_axis(lists.indices, order, 1), np.take_along_axis(lists.scores, order, 1)
    )
    net = network()
    one, other = located(scene, lists, net), located(scene, mixed, net)
    np.testing.assert_allclose(
        by_image(scene, lists, one), by_image(scene, mixed, other), atol=2e-5
    )


def test_padding_never_matters(scene, lists):
    wide = ((0, 0), (0, 3))
    padded = Ranking(
        np.pad(lists.indices, wide, constant_values=-1),
        np.pad(lists.scores, wide, constant_values=-np.inf),
    )
    # All that is listed is a key, so that the three more are the only difference.
    net = network(keys=K + 3)
    one, other = located(scene, lists, net), located(scene, padded, net)
    np.testing.assert_allclose(one.probability, other.probability[:, :K], atol=2e-5)
    np.testing.assert_allclose(one.none, other.none, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_affinity_is_read(scene, lists, kind):
    """A source that is taken away changes what the network says: none is passed over."""
    net = network()
    locator = Locator(scene, Rule.of("dist"), FovConfig(), Calibration(), network=net)
    weighed = locator.weigh(lists)
    whole = locator._learned(lists, weighed, net)[0]
    lost = replace(scene, database=replace(scene.database, **{kind: None}))
    locator = Locator(lost, Rule.of("dist"), FovConfig(), Calibration(), network=net)
    assert np.abs(whole - locator._learned(lists, weighed, net)[0]).max() > 1e-4


def test_blocks_are_one_answer(scene, lists, monkeypatch):
    net = network()
    whole = located(scene, lists, net)
    monkeypatch.setattr("gcsa.places.learned.BLOCK", 1)
    np.testing.assert_allclose(located(scene, lists, net).scores, whole.scores, atol=2e-6)


def test_a_file_comes_back(tmp_path):
    net = network()
    save_place(tmp_path / "a.pth.tar", net, {"epoch": 3})
    back = load_place(tmp_path / "a.pth.tar", FEATURES, PAIRS)
    assert is_place(tmp_path / "a.pth.tar") and back.sizes == net.sizes
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], tensor, rtol=0, atol=0)
    with pytest.raises(InputError, match="train it anew"):
        load_place(tmp_path / "a.pth.tar", FEATURES + 1, PAIRS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model": {}}, "it has no 'place'"),
        ({"place": {"width": 3}, "model": {}}, "sizes and tensors"),
        ({"place": {**PlaceNet(4, 4, 8, 1, 2, 4, 4).sizes}, "model": {}}, "sizes and tensors"),
    ],
)
def test_a_broken_file_is_said(tmp_path, content, said):
    torch.save(content, tmp_path / "b.pth.tar")
    with pytest.raises(InputError, match=said):
        load_place(tmp_path / "b.pth.tar", FEATURES, PAIRS)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"width": 50}, "multiple of place.heads"), ({"drop": 1.0}, "place.drop"),
     ({"layers": -1}, "place.layers"), ({"compass_noise": -1.0}, "place.compass_noise")],
)  # fmt: skip
def test_settings_that_cannot_be(settings, said):
    with pytest.raises(InputError, match=said):
        PlaceConfig(**settings).check()
