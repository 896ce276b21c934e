"""The parts of training descriptors, each against what it must be by loops or in closed form."""

from __future__ import annotations

import colorsys
import math
from itertools import product

import numpy as np
import pytest
import torch
from describing_worlds import config_of, photo_world
from PIL import Image

from gcsa.config import SHIPPED as CONFIGS
from gcsa.config import load_config
from gcsa.config.train import TrainConfig
from gcsa.descriptors.networks.heads import Sizes, new_body
from gcsa.descriptors.networks.network import Network
from gcsa.descriptors.networks.preprocessing import IMAGENET, Resize
from gcsa.descriptors.settings import DescriptorConfig
from gcsa.losses import APLoss, SARELoss
from gcsa.training.describing.augmentation import (
    OPERATIONS,
    Augmentation,
    crop_box,
    hue_turned,
    randaugment,
)
from gcsa.training.describing.clusters import kmeans, sharpness
from gcsa.training.describing.collection import collect
from gcsa.training.describing.groups import groups_of
from gcsa.training.describing.passes import backward, parts
from gcsa.training.describing.photos import Photos
from gcsa.training.describing.places import Places, classes_of
from gcsa.training.describing.tuples import Tuples
from gcsa.training.optimisation import by_step, make_optimizer, make_schedule
from gcsa.training.tuples import renewal


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    world = photo_world(tmp_path_factory.mktemp("photos"))
    config = config_of(world, {"mining.draws": 1000, "data.batch_size": 3, "descriptor.steps": 0})
    return config, collect(config)


def lists_loss(described):
    """AP-GeM's loss of a batch of pairs, each image's own entry left out."""
    place = torch.arange(len(described)) // 2
    valid = ~torch.eye(len(place), dtype=torch.bool)
    return APLoss(10)(described @ described.T, place[:, None] == place, valid)


def test_three_passes_give_the_gradient_of_one(monkeypatch):
    """At a batch that fits, for every parameter, to 1e-6."""
    monkeypatch.setattr("gcsa.descriptors.networks.resnet.WIDTHS", (8, 8, 16, 16))
    torch.manual_seed(0)
    body, _ = new_body("dir", "resnet18", Sizes(16, 1, (48, 48)))
    network = Network(body, "n", "dir", "", Resize(), IMAGENET).eval()
    images, found = torch.rand(10, 3, 48, 48), {}
    for most in (0, 3):
        network.zero_grad(set_to_none=True)
        trained = list(network.parameters())
        shares = parts(len(images), most)
        value = backward(shares, lambda s: network(images[s]), lists_loss, lambda x: x, trained)
        gradients = [p.grad for p in network.body.parameters() if p.grad is not None]
        found[most] = value, gradients
    assert [s.stop - s.start for s in parts(10, 3)] == [3, 3, 3, 1]
    torch.testing.assert_close(found[0][0], found[3][0])
    assert len(found[0][1]) > 50 and max(g.abs().max() for g in found[0][1]) > 1e-3
    for one, three in zip(found[0][1], found[3][1], strict=True):
        torch.testing.assert_close(one, three, rtol=0, atol=1e-6)
    # And the gradient of one pass is autograd's own.
    network.zero_grad(set_to_none=True)
    lists_loss(network(images)).backward()
    for parameter, three in zip(network.body.parameters(), found[3][1], strict=True):
        torch.testing.assert_close(parameter.grad, three, rtol=0, atol=1e-6)


def test_tuples_by_loops(collection):
    """All negatives drawn: positive and hardest negatives, and SARE's loss, by loops."""
    config, photos = collection
    random = np.random.default_rng(0)
    described = torch.tensor(random.normal(size=(len(photos), 6)), dtype=torch.float32)
    described = torch.nn.functional.normalize(described, dim=1)
    tuples = Tuples(config, photos, SARELoss(num_negatives=0))
    steps = list(tuples.epoch(1, lambda: described))
    seen = [int(row) for step in steps for row in step.images.reshape(step.size, -1)[:, 0]]
    owner = {
        int(row): (placed, query)
        for placed in photos.scenes
        for query, row in enumerate(placed.queries)
    }
    assert len(seen) == len(set(seen)) == len(tuples.queries) and tuples.steps == len(steps) > 3
    losses = []
    for query, positive, *negatives in steps[0].images.reshape(steps[0].size, -1):
        placed, number = owner[int(query)]
        away = np.linalg.norm(
            placed.scene.database.positions - placed.truth.positions[number], axis=1
        )
        apart = (described[placed.database] - described[query]).norm(dim=1).tolist()
        near = [i for i, d in enumerate(away) if 1 < d <= 10]
        far = sorted((i for i, d in enumerate(away) if d > 25), key=lambda i: apart[i])
        assert positive == placed.database[min(near, key=lambda i: apart[i])]
        assert negatives == [placed.database[i] for i in far[:3]]
        losses += [
            math.log1p(math.exp(apart[min(near, key=lambda i: apart[i])] ** 2 - apart[i] ** 2))
            for i in far[:3]
        ]
    value = steps[0].loss(described[steps[0].images])
    assert value.item() == pytest.approx(np.mean(losses), abs=1e-5)


@pytest.mark.parametrize("schedule", ["step", "milestones"])
def test_the_cache_is_renewed_as_matlabs(collection, schedule):
    """The interval doubles whenever the rate is halved; both by the explicit schedule."""
    config, photos = collection
    rates = {"train.lr_step": 2, "train.milestones": "[1,4]", "train.lr_gamma": 0.5}
    cache = {"train.remine": 4, "mining.growth": 2, "train.schedule": schedule}
    known = {"data.batch_size": 2, "mining.negatives": 3, "mining.draws": 8}
    config = config_of({}, rates, cache, known)
    tuples = Tuples(config, photos, SARELoss())
    optimizer = make_optimizer([torch.zeros(1, requires_grad=True)], config.train)
    rate, interval = make_schedule(optimizer, config.train, tuples.steps), 4
    described = torch.nn.functional.normalize(torch.randn(len(photos), 6), dim=1)
    halved = (1, 4) if schedule == "milestones" else (2, 4)  # once so many epochs are done
    for done in range(6):
        interval *= 2 if done in halved else 1
        renewed: list[int] = []  # steps before each time that descriptors are compared anew
        steps: list[int] = []

        def describe(renewed=renewed, steps=steps):
            renewed.append(sum(steps))
            return described

        for step in tuples.epoch(done + 1, describe):
            steps.append(step.size)
        assert renewed == list(range(0, len(tuples.queries), interval)), (done, interval)
        assert optimizer.param_groups[0]["lr"] * interval == pytest.approx(4e-4)
        optimizer.step()
        for _ in range(tuples.steps if by_step(config.train) else 1):
            rate.step()


def test_the_cache_of_the_published_configs():
    for path in [CONFIGS / "netvlad_pitts30k.yaml", *CONFIGS.glob("sare_*_*.yaml")]:
        published = load_config(path)
        steps = [renewal(published, epoch) for epoch in (1, 5, 6, 10, 11, 16, 21, 26, 30)]
        assert steps == [250, 250, 500, 500, 1000, 2000, 4000, 8000, 8000], path


def test_classes_and_groups_by_loops():
    random = np.random.default_rng(0)
    east, north = random.uniform(-100, 100, 400), random.uniform(-100, 100, 400)
    turn = random.uniform(-10, 10, 400)
    east[7] = np.nan

    class Photos400:
        things = np.full(400, -1)
        positions, headings = np.column_stack([east, north]), turn
        number = np.arange(400) % 2

    classes = classes_of(Photos400, 20.0, 60.0)
    for row in range(400):
        expected = [-1] * 4
        if row != 7:
            sector = math.floor(math.degrees(turn[row]) % 360 / 60)
            expected = [row % 2, math.floor(east[row] / 20), math.floor(north[row] / 20), sector]
        assert classes[row].tolist() == expected
    settings = DescriptorConfig(least=2, apart=3, turned=2, groups=4)
    found = groups_of(classes, settings)
    by_rest: dict = {}
    for key in set(map(tuple, classes.tolist())) - {(-1,) * 4}:
        rows = [row for row in range(400) if tuple(classes[row]) == key]
        if len(rows) >= 2:
            by_rest.setdefault((key[1] % 3, key[2] % 3, key[3] % 2), []).append(rows)
    sizes = sorted((sum(map(len, group)) for group in by_rest.values()), reverse=True)
    assert [sum(map(len, group)) for group in found] == sizes[:4]
    for group in found:  # two classes of a group are cells apart, or look another way
        keys = [classes[rows[0]] for rows in group]
        for one, other in product(keys, keys):
            gap = np.abs(one - other)[1:]
            assert (gap[:2] % 3 == 0).all() and gap[2] % 2 == 0


def test_places_are_seen_once_an_epoch(collection):
    config, photos = collection
    config = config_of({}, {"descriptor.places": 4, "descriptor.images": 2, "descriptor.cell": 20})
    config.descriptor.sector = 360.0
    places = Places(config, photos, APLoss())
    classes = classes_of(photos, 20.0, 360.0)
    steps = list(places.epoch(1, lambda: None))
    assert len(steps) == places.steps == len(places.members) // 4
    shown = []
    for step in steps:
        pairs = classes[step.images].reshape(-1, 2, 4)
        assert (pairs[:, 0] == pairs[:, 1]).all() and len(set(step.images)) == 8
        shown += [tuple(pair[0]) for pair in pairs]
    assert len(shown) == len(set(shown))
    again = [step.images.tolist() for step in places.epoch(1, lambda: None)]
    assert again == [step.images.tolist() for step in steps]
    other = [step.images.tolist() for step in places.epoch(2, lambda: None)]
    assert other != again


def test_kmeans_finds_what_is_there():
    random = np.random.default_rng(3)
    centres = random.normal(size=(5, 8)) * 5
    points = torch.tensor(np.repeat(centres, 40, axis=0) + 0.1 * random.normal(size=(200, 8)))
    found = kmeans(points, 5, np.random.default_rng(0))
    nearest = torch.cdist(torch.tensor(centres), found).argmin(dim=1)
    assert sorted(nearest.tolist()) == list(range(5))
    means = torch.tensor(np.stack([points[40 * i : 40 * i + 40].mean(0) for i in range(5)]))
    torch.testing.assert_close(found[nearest], means)


def test_sharpness_by_loops():
    random = np.random.default_rng(0)
    points, centres = (torch.tensor(random.normal(size=(n, 5))) for n in (30, 4))
    gaps = []
    for point in points:
        cosines = sorted((float(point @ c / c.norm()) for c in centres), reverse=True)
        gaps.append(cosines[0] - cosines[1])
    assert sharpness(points, centres) == pytest.approx(-math.log(0.01) / np.mean(gaps))


@pytest.mark.parametrize("turn", [-0.4, 0.1, 0.5])
def test_hue_is_turned_as_the_standard_library_turns_it(turn):
    random = np.random.default_rng(0)
    pixels = torch.tensor(random.random((3, 5, 7)))
    pixels[:, 0, 0] = 0.3  # grey has no hue
    found = hue_turned(pixels, turn)
    for row, column in product(range(5), range(7)):
        h, s, v = colorsys.rgb_to_hsv(*pixels[:, row, column].tolist())
        expected = colorsys.hsv_to_rgb((h + turn) % 1, s, v)
        np.testing.assert_allclose(found[:, row, column], expected, atol=1e-9)


def test_crops_keep_their_share():
    random = np.random.default_rng(0)
    boxes = [crop_box((160, 120), 0.5, random) for _ in range(200)]
    areas = [(right - left) * (low - top) / (160 * 120) for left, top, right, low in boxes]
    assert all(0 <= b[0] < b[2] <= 160 and 0 <= b[1] < b[3] <= 120 for b in boxes)
    assert min(areas) > 0.49 and min(areas) < 0.6 and len(set(boxes)) > 150


def test_augmentation_follows_its_seed(tmp_path):
    """However many threads there are; and each kind of change changes something."""
    random = np.random.default_rng(0)
    path = tmp_path / "p.png"
    Image.fromarray(random.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(path)
    resize, rows = Resize(exactly=(30, 40)), np.zeros(4, dtype=np.int64)
    plain = Photos([path], resize, Augmentation(), 0).read(rows, (1, 2))
    assert torch.equal(plain, Photos([path], resize, Augmentation(), 0).read(rows))
    for kind in ({"jitter": (0.7, 0.7, 0.7, 0.5)}, {"crop": 0.5}, {"flip": 0.5}, {"operations": 3}):
        found = [
            Photos([path], resize, Augmentation(**kind), workers).read(rows, (1, 2))
            for workers in (0, 3)
        ]
        assert torch.equal(*found) and not torch.equal(found[0], plain)
        assert found[0].min() >= 0 and found[0].max() <= 1
        other = Photos([path], resize, Augmentation(**kind), 0).read(rows, (1, 3))
        assert not torch.equal(found[0], other)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_of_randaugment(name, monkeypatch):
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(60, 180, (30, 40, 3), dtype=np.uint8))
    most, signed, operation = OPERATIONS[name]
    changed = operation(image, 0.3 * most)
    assert changed.size == image.size and changed.mode == "RGB"
    assert (np.asarray(changed) != np.asarray(image)).any() == (name != "identity")
    assert randaugment(image, 3, np.random.default_rng(1)).size == image.size


def test_schedules_of_the_published_trainings():
    def rates(**settings):
        config = TrainConfig(learning_rate=1.0, num_epochs=4, **settings)
        optimizer = make_optimizer([torch.zeros(2, requires_grad=True)], config, spared=False)
        schedule, found = make_schedule(optimizer, config, 5), []
        for _ in range(20):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return found

    linear = rates(schedule="linear", lr_end=0.2)
    np.testing.assert_allclose(linear, 1 - 0.8 * np.arange(20) / 20)
    stones = rates(schedule="milestones", milestones=[1, 3], lr_gamma=0.3, warmup_steps=4)
    expected = np.array([1.0] * 5 + [0.3] * 10 + [0.09] * 5)
    expected[:4] *= np.arange(1, 5) / 4
    np.testing.assert_allclose(stones, expected)
    assert make_optimizer([torch.zeros(2)], TrainConfig(optimizer="adamw")).defaults["lr"] == 1e-4
