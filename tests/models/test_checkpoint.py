"""The published file format, both ways, and messages for files that do not fit."""

import pytest
import torch
from reference_model import ReferenceGCSA

from gcsa.errors import InputError, MissingFileError
from gcsa.models.checkpoint import load_checkpoint, load_pretrained, read_settings, save_checkpoint
from gcsa.models.gcsa import GCSA

ARGUMENTS = {
    "input_dim": 8, "proj_dim": 4, "output_dim": 12, "K": 5, "L": 3, "num_layers": 1,
    "num_heads": 2, "aff_dim": 7, "input_dropout_p": 0.1, "attn_dropout_p": 0.2,
}  # fmt: skip
KINDS = ["positional-db", "heading"]


def inputs():
    torch.manual_seed(0)
    return torch.randn(2, 6, 8), [torch.rand(2, 5, 5), torch.rand(2, 6, 6)]


def test_ours_loads_in_the_published_code(tmp_path):
    model = GCSA(**ARGUMENTS).eval()
    save_checkpoint(tmp_path / "c.pth.tar", model, KINDS, {"epoch": 3})
    content = torch.load(tmp_path / "c.pth.tar", weights_only=True)
    # Just the published keys: whatever is left goes to the constructor.
    assert content.pop("affinity") == KINDS
    state = content.pop("model")
    assert content == ARGUMENTS
    reference = ReferenceGCSA(**content).eval()
    reference.load_state_dict(state)
    torch.testing.assert_close(model(*inputs()), reference(*inputs()))


def test_the_published_codes_loads_in_ours(tmp_path):
    reference = ReferenceGCSA(**ARGUMENTS).eval()
    content = {**ARGUMENTS, "affinity": KINDS, "model": reference.state_dict()}
    torch.save(content, tmp_path / "c.pth.tar")
    model, kinds = load_checkpoint(tmp_path / "c.pth.tar", "cpu")
    assert kinds == KINDS and not model.training
    assert (model.K, model.L, model.input_dropout_p) == (5, 3, 0.1)
    torch.testing.assert_close(model(*inputs()), reference(*inputs()))
    assert read_settings(tmp_path / "c.pth.tar") is None


def test_legacy_files_load_too(tmp_path):
    """Files of torch before 1.6 are no zip archives."""
    content = {**ARGUMENTS, "affinity": KINDS, "model": GCSA(**ARGUMENTS).state_dict()}
    path = tmp_path / "c.pth.tar"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert load_checkpoint(path)[1] == KINDS and read_settings(path) is None


def test_settings_travel_with_the_file(tmp_path):
    settings = {"config": {"fov": {"radius": 50.0}}, "epoch": 2}
    save_checkpoint(tmp_path / "c.pth.tar", GCSA(**ARGUMENTS), KINDS, settings)
    assert read_settings(tmp_path / "c.pth.tar") == settings
    assert [p.name for p in tmp_path.iterdir()] == ["c.pth.tar"]


def test_settings_of_a_file_are_plain_values(tmp_path):
    """Nothing of a stranger's checkpoint is filled in from the environment."""
    settings = {"config": {"data": {"val_scenes": ["a", "${oc.env:SECRET}"]}}}
    save_checkpoint(tmp_path / "c.pth.tar", GCSA(**ARGUMENTS), KINDS, settings)
    with pytest.raises(InputError, match=r"c.pth.tar: config: data: .*oc.env:SECRET.*plain value"):
        read_settings(tmp_path / "c.pth.tar")


def test_a_projection_goes_into_a_bigger_model(tmp_path):
    small = GCSA(**{**ARGUMENTS, "num_layers": 0, "aff_dim": 0})
    save_checkpoint(tmp_path / "pre.pth.tar", small, [])
    model = GCSA(**ARGUMENTS)
    before = model.affinity_proj.weight.clone()
    taken = load_pretrained(model, tmp_path / "pre.pth.tar")
    assert taken == ["input_proj.bias", "input_proj.weight"]
    torch.testing.assert_close(model.input_proj.weight, small.input_proj.weight)
    torch.testing.assert_close(model.affinity_proj.weight, before)


def test_a_checkpoint_that_does_not_fit_names_the_tensors(tmp_path):
    path = tmp_path / "c.pth.tar"
    save_checkpoint(path, GCSA(**ARGUMENTS), KINDS)
    other = GCSA(**{**ARGUMENTS, "proj_dim": 6})
    with pytest.raises(InputError, match=r"input_proj.weight is \(4, 8\) in the file, \(6, 8\)"):
        load_pretrained(other, path)
    with pytest.raises(InputError, match="affinity_proj.weight is not in the model"):
        load_pretrained(GCSA(**{**ARGUMENTS, "num_layers": 0}), path)
    save_checkpoint(path, GCSA(**{**ARGUMENTS, "num_layers": 0, "proj_dim": 8}), [])
    with pytest.raises(InputError, match="holds no tensors"):
        load_pretrained(other, path)


def damaged(change):
    content = {**ARGUMENTS, "affinity": KINDS, "model": GCSA(**ARGUMENTS).state_dict()}
    change(content)
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("K"), "it lacks K"),
        (lambda c: c.pop("model"), "no state dict 'model'"),
        (lambda c: c["model"].pop("input_proj.bias"), "input_proj.bias is not in the file"),
        (lambda c: c.update(aff_dim=8), "aff_dim is 8, but .* with L = 3 make 7"),
        (lambda c: c.update(affinity=["headings", "radio"]), "no kind 'headings'"),
    ],
)
def test_files_that_are_wrong(tmp_path, change, message):
    torch.save(damaged(change), tmp_path / "c.pth.tar")
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path / "c.pth.tar")


def test_files_that_are_no_checkpoints(tmp_path):
    with pytest.raises(MissingFileError, match="none.pth.tar: no such checkpoint"):
        load_checkpoint(tmp_path / "none.pth.tar")
    for name, content in (("text", b"hello"), ("empty", b""), ("jpeg", b"\xff\xd8\xff\xe0")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: .*; expected a checkpoint") as caught:
            load_checkpoint(tmp_path / name)
        assert "weights_only" not in str(caught.value) and "\n" not in str(caught.value)
        assert name == "empty" or "no file of torch" in str(caught.value)
    torch.save([1, 2], tmp_path / "list")
    with pytest.raises(InputError, match="list: not a checkpoint of GCSA"):
        load_checkpoint(tmp_path / "list")


def test_no_code_is_run_on_loading(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harmed"), "w"))

    torch.save({**ARGUMENTS, "affinity": KINDS, "model": Harm()}, tmp_path / "c.pth.tar")
    with pytest.raises(InputError, match="no file of torch, or one with more than tensors in it"):
        load_checkpoint(tmp_path / "c.pth.tar")
    assert not (tmp_path / "harmed").exists()
