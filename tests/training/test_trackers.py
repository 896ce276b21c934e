"""Weights & Biases and TensorBoard get the rows and pictures of a run; neither is needed."""

import os
import subprocess
import sys
from functools import partial

import pytest
from conftest import overrides
from PIL import Image

from gcsa.config import load_config
from gcsa.datasets.images import image_path
from gcsa.errors import InputError
from gcsa.scoring.ranker import rerank
from gcsa.scoring.split import prepare
from gcsa.train import train
from gcsa.training.trackers import Trackers


def run(world, name, *settings, **options):
    return train(load_config(None, overrides(world, *settings)), name, **options)


def write_images(world, city="cph"):
    """Grey pictures in the place of the city's images."""
    folder = f"{world['data.root']}/msls/train_val/{city}"
    for role in ("query", "database"):
        with open(f"{folder}/{role}/seq_info.csv") as file:
            keys = [line.split(",")[1] for line in list(file)[1:]]
        os.makedirs(f"{folder}/{role}/images", exist_ok=True)
        for key in keys:
            Image.new("RGB", (32, 24), "grey").save(f"{folder}/{role}/images/{key}.jpg")


@pytest.mark.parametrize(
    ("package", "options", "message"),
    [
        ("wandb", {"wandb_project": "p"}, "--wandb_project: wandb is not installed"),
        ("tensorboard", {"tensorboard": True}, "--tensorboard: tensorboard is not installed"),
    ],
)
def test_imported_on_demand_alone(world, monkeypatch, package, options, message):
    assert package not in sys.modules
    run(world, "plain", {"train.num_epochs": 0})
    assert package not in sys.modules
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=message):
        run(world, "tracked", {"train.num_epochs": 0}, **options)


def start(world, tmp_path, *arguments):
    """A run of two epochs in a process of its own, so that nothing stays imported here."""
    write_images(world)
    conf = tmp_path / "c.yaml"
    conf.write_text("{}")
    command = [sys.executable, "-m", "gcsa.train", "--name", "w", "--conf", conf, *arguments]
    environment = {**os.environ, "WANDB_MODE": "offline"}
    settings = overrides(world, {"train.num_epochs": 2})
    done = subprocess.run([*command, *settings], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tmp_path / "outputs" / "training" / "w"


def test_strips_are_of_queries_whose_images_are_there(world, caplog):
    config = load_config(None, overrides(world))
    scenes = prepare(config.data, config.fov, [], "val", 40)
    rankings, shown, tracked = rerank(None, scenes, config.data), [], Trackers()
    tracked._pictures.append(lambda name, figure, epoch: shown.append((name, epoch)))
    write_images(world)
    path = partial(image_path, config.data, "cph")
    gone = [path(str(name)) for name in scenes[0].scene.queries.names]
    for file in gone[:-2]:  # the first among them
        file.unlink()
    tracked.examples(config, scenes, rankings, 1)
    assert shown == [("example 18", 1), ("example 19", 1)]
    for file in gone[-2:]:
        file.unlink()
    with caplog.at_level("INFO"):
        for epoch in (2, 3):
            tracked.examples(config, scenes, rankings, epoch)
    assert len(shown) == 2 and caplog.text.count("cph: no example strips") == 1


def test_wandb_offline(world, tmp_path):
    folder = start(world, tmp_path, "--wandb_project", "p")
    (log,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    assert log.parent.name.endswith((folder / "wandb_id.txt").read_text()), "resuming goes on so"
    content = log.read_bytes()
    assert b"mAP@10" in content and b"proj_dim" in content, "metrics and config"
    pictures = list((folder / "wandb").glob("offline-run-*/files/media/images/*.png"))
    assert len(pictures) == 2 * 4, "four queries an epoch"
    with Image.open(pictures[0]) as picture:
        assert picture.width > picture.height > 100


def test_tensorboard(world, tmp_path):
    folder = start(world, tmp_path, "--tensorboard")
    program = (
        "import sys; from tensorboard.backend.event_processing.event_accumulator import "
        "EventAccumulator as E; e = E(sys.argv[1], {'images': 0}); e.Reload(); t = e.Tags(); "
        "print(len(e.Scalars('mAP@10')), len(e.Scalars('loss')), len(t['images']))"
    )
    command = [sys.executable, "-c", program, folder / "tensorboard"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "2", "4"]
