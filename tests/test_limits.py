"""Small files that ask for much are refused by a limit, which the environment raises."""

import zipfile

import numpy as np
import pytest
import torch

from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.files import limits, npy
from gcsa.models.checkpoint import load_checkpoint, save_checkpoint
from gcsa.models.gcsa import GCSA
from gcsa.scoring.ranker import as_trained


def test_an_archive_that_unpacks_to_much_more_than_it_is(tmp_path, monkeypatch):
    """4 MB of zeros in a few kB: a thousand times less."""
    np.savez_compressed(tmp_path / "a.npz", mean=np.zeros(10**6, dtype=np.float32))
    assert len(npy.load_npz(tmp_path / "a.npz")["mean"]) == 10**6
    monkeypatch.setenv("GCSA_MAX_UNPACKED", "1000000")
    with pytest.raises(InputError, match="a.npz: 4000.* bytes .*, at most 1000000 .*GCSA_MAX_UNP"):
        npy.load_npz(tmp_path / "a.npz")
    np.savez(tmp_path / "stored.npz", mean=np.zeros(10**6, dtype=np.float32))
    assert len(npy.load_npz(tmp_path / "stored.npz")["mean"]) == 10**6


def test_what_is_no_array_in_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("mean", b"text")
    with pytest.raises(InputError, match="a.npz: 'mean' is no array; expected arrays"):
        npy.load_npz(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", np.zeros(3))
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    with pytest.raises(InputError, match="b.npz: it is an .npy, of one array"):
        npy.load_npz(tmp_path / "b.npz")


@pytest.mark.parametrize("text", ["0", "-1", "1e9", "", "many"])
def test_limits_are_whole_numbers(monkeypatch, text):
    monkeypatch.setenv("GCSA_MAX_PIXELS", text)
    with pytest.raises(InputError, match="GCSA_MAX_PIXELS: .* expected a whole number from 1"):
        limits.most("GCSA_MAX_PIXELS")


SIZES = dict(input_dim=12, proj_dim=8, output_dim=8, K=5, L=3, num_layers=1, num_heads=2, aff_dim=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.pth.tar"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_dim": 10**6, "proj_dim": 10**6 + 1}, "input_proj.weight is .8, 12. in the fi"),
        ({"num_layers": 10**9}, "1000000000 layers, but .* tensors"),
        ({"num_heads": "2"}, "num_heads is of type str, not a number"),
        ({"attn_dropout_p": None}, "attn_dropout_p is of type NoneType"),
        ({"affinity": {"heading": 1}}, "affinity is no list"),
        ({"affinity": [3]}, "affinity is no list"),
        ({"K": -3}, "expected a checkpoint with the sizes|K"),
    ],
)
def test_a_checkpoint_takes_no_more_memory_than_its_tensors(path, changes, message):
    save_checkpoint(path, GCSA(**SIZES), [])
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)
    with pytest.raises(InputError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "KeyError: 'config'; expected the settings that it was trained with"),
        ({"config": {"fov": {"radius": "wide"}, "data": {}}}, "fov.radius: Value 'wide' of type"),
        ({"config": {"fov": {"radius": [1]}, "data": {}}}, "fov.radius"),
        ({"config": {"fov": {"angle": float("nan")}, "data": {}}}, "fov.angle: nan"),
        ({"config": {"fov": {"width": 3}, "data": {}}}, "no setting 'fov.width'"),
        ({"config": {"fov": [], "data": {}}}, "section 'fov' must hold keys"),
        ({"config": {"fov": {}, "data": {"heading_convention": "up"}}}, "'up' is not a choice"),
        ({"config": {"fov": {}, "data": {"heading_convention": ["up"]}}}, "heading_convention"),
    ],
)
def test_settings_of_a_checkpoint_have_their_types(path, settings, message):
    save_checkpoint(path, GCSA(**SIZES), [], settings)
    with pytest.raises(InputError, match=message) as error:
        as_trained(Config(), str(path), ())
    assert "c.pth.tar" in str(error.value) or "is not a choice" in message or "nan" in message
