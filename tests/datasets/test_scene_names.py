"""Scenes by name: misspelt ones, those of two splits, and where their descriptors lie."""

import logging
import shutil
from dataclasses import replace

import pytest
from conftest import overrides

from gcsa.config import load_config
from gcsa.datasets.folder.scene import read_scene as read_folder
from gcsa.datasets.lamar.scene import read_scene as read_hall
from gcsa.datasets.readers import READERS, in_training_and_validation, scene_names
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.train import train


def config_of(*settings):
    return load_config(None, overrides(*settings))


def test_a_name_in_the_wrong_case_is_corrected(world, tmp_path):
    with pytest.raises(InputError, match=r"no city 'Cph', .* \(did you mean 'cph'\?\)$"):
        evaluate(config_of(world, {"data.val_scenes": "[Cph]"}))
    with pytest.raises(InputError, match=r"no city 'Miami', .* \(did you mean 'miami'\?\)$"):
        evaluate(config_of(world, {"data.val_scenes": "[Miami]"}))
    with pytest.raises(InputError, match=r"no city 'x', .*test/ \(data.root holds msls/\)$"):
        evaluate(config_of(world, {"data.val_scenes": "[x]"}))
    for name in ("CAB", "lund"):
        (tmp_path / "halls" / name / "sessions").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no such session \(did you mean 'CAB'\?\)$"):
        read_hall(tmp_path / "halls", "cab", "val")
    (tmp_path / "halls" / "lund" / "images.csv").touch()
    with pytest.raises(InputError, match=r"no such file \(did you mean 'lund'\?\); .* has the"):
        read_folder(tmp_path / "halls" / "Lund", "Lund")


def test_which_scenes_are_trained_and_validated_on():
    def found(dataset, train, val):
        settings = {"data.train_scenes": train, "data.val_scenes": val}
        return in_training_and_validation(config_of({"data.dataset": dataset}, settings).data)

    assert found("msls", "[]", "[]") == []
    assert found("msls", "[zurich,cph,boston]", "[]") == ["cph"], "against the official split"
    assert found("msls", "[]", "[boston,cph]") == ["boston"]
    assert found("folder", "[a,b]", "[b,c]") == ["b"]
    # The official splits of these divide the images of a scene.
    assert found("lamar", "[CAB]", "[CAB]") == found("rsfm", "[]", "[]") == []
    divided = {n for n, r in READERS.items() if set(r.scenes["train"]) & set(r.scenes["val"])}
    assert divided == {"lamar", "rsfm"}


def test_a_city_of_both_is_warned_of(world, caplog):
    with caplog.at_level(logging.WARNING):
        train(config_of(world, {"data.train_scenes": "[zurich,cph]", "train.num_epochs": 0}), "a")
        train(config_of(world, {"train.num_epochs": 0}), "b")
    lines = [r.message for r in caplog.records if "training and of validation" in r.message]
    assert lines == ["cph: is a scene of training and of validation (data.val_scenes)"]


def test_descriptors_may_lie_elsewhere(world, tmp_path):
    expected = evaluate(config_of(world))
    shutil.move(tmp_path / "outputs" / "msls", tmp_path / "features" / "msls")
    elsewhere = {"data.descriptors": tmp_path / "features"}
    assert evaluate(config_of(world, elsewhere)) == expected
    with pytest.raises(FileNotFoundError, match="outputs/msls/cph/.*: no such descriptor file"):
        evaluate(config_of(world))
    train(config_of(world, elsewhere, {"train.num_epochs": 1}), "a")
    assert (tmp_path / "outputs" / "training" / "a" / "checkpoint_1.pth.tar").is_file()
    # Where descriptors lie may change when a run is resumed.
    shutil.move(tmp_path / "features" / "msls", tmp_path / "outputs" / "msls")
    assert len(train(config_of(world, {"train.num_epochs": 2}), "a", resume=True)) == 3


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "..", "", "a\0b", "a\\b", "a\nb", 300 * "x"])
def test_names_that_leave_the_output_folder_are_refused(name):
    """By every program, as all ask for their scenes here."""
    data = config_of({"data.dataset": "folder"}).data
    for split in ("train", "val", "test"):
        with pytest.raises(InputError, match=f"^data.{split}_scenes: '"):
            scene_names(replace(data, **{f"{split}_scenes": [name]}), split)
    assert scene_names(data, "val") == ["."]
