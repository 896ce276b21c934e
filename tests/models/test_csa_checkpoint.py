"""CSA's checkpoint files: those of the published code, and ours, which that code reads too."""

import json

import pytest
import torch

from gcsa.errors import InputError
from gcsa.models.checkpoint import load_checkpoint, load_pretrained, read_settings, save_checkpoint
from gcsa.models.csa import CSA
from gcsa.models.gcsa import GCSA, ModelConfig

SIZES = {"input_dim": 6, "output_dim": 8, "K": 4, "L": 3, "num_layers": 2, "num_heads": 2}
GIVEN = ModelConfig(input_dim=6, K=4, num_heads=2)


def network(**changes):
    torch.manual_seed(0)
    model = CSA(**{**SIZES, "mlp_dim": 24, **changes}).eval()
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.copy_(torch.randn(tensor.shape))
    return model


def published(path, model, prefix="", **extra):
    state = {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 7, "state_dict": state, **extra}, path)
    return path


def listed():
    return torch.nn.functional.normalize(torch.randn(2, 5, 6), dim=-1)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("changes", [{}, {"reconstructs": False}, {"qkv_bias": False},
                                     {"num_layers": 1, "mlp_dim": 8}])  # fmt: skip
def test_sizes_are_told_by_the_tensors(tmp_path, prefix, changes):
    model, batch = network(**changes), listed()
    path = published(tmp_path / "checkpoint-epoch7.pth", model, prefix)
    loaded, kinds = load_checkpoint(path, "cpu", GIVEN)
    assert kinds == [] and not loaded.training and read_settings(path) is None
    torch.testing.assert_close(loaded(batch), model(batch))
    names = "L num_layers mlp_dim qkv_bias reconstructs".split()
    assert all(getattr(loaded, name) == getattr(model, name) for name in names)


def test_another_number_of_heads_is_another_model(tmp_path):
    path, batch = published(tmp_path / "c.pth", network()), listed()
    other = load_checkpoint(path, "cpu", ModelConfig(input_dim=6, K=4, num_heads=4))[0]
    assert not torch.allclose(other(batch), network()(batch))
    with pytest.raises(
        InputError, match="c.pth: a checkpoint of CSA's published code does not tell"
    ):
        load_checkpoint(path)


def test_ours_is_one_of_the_published_code_too(tmp_path):
    """And tells all that it needs; settings travel beside."""
    model = network(dropout_p=0.1, attn_dropout_p=0.2, path_dropout_p=0.3)
    path, settings = tmp_path / "c.pth.tar", {"epoch": 3, "config": {"fov": {"radius": 50.0}}}
    save_checkpoint(path, model, [], settings)
    content = torch.load(path, weights_only=True)
    assert content["epoch"] == 3 and set(content) == {"epoch", "state_dict", "arguments"}
    assert content["state_dict"].keys() == model.state_dict().keys()
    loaded, kinds = load_checkpoint(path)
    assert kinds == [] and loaded.dropout_p == 0.1 and loaded.K == 4 and loaded.input_dim == 6
    assert [b.path_p for b in loaded.blocks] == pytest.approx([0, 0.3])
    assert loaded.blocks[0].attn.attn_p == 0.2
    batch = listed()
    torch.testing.assert_close(loaded(batch), model(batch))
    assert read_settings(path) == json.loads(json.dumps(settings))


def test_training_may_start_from_one(tmp_path):
    path = published(tmp_path / "c.pth", network(), "module.")
    torch.manual_seed(5)
    model = CSA(**SIZES, mlp_dim=24, dropout_p=0.5)
    taken = load_pretrained(model, path)
    assert len(taken) == 28 and taken[0] == "blocks.0.attn.proj.bias"
    torch.testing.assert_close(model.state_dict(), network().state_dict())
    headless = published(tmp_path / "h.pth", network(reconstructs=False))
    assert len(load_pretrained(model, headless)) == 26
    with pytest.raises(InputError, match=r"topk_proj.weight is \(8, 4\) in the file, \(8, 6\)"):
        load_pretrained(CSA(**{**SIZES, "L": 5}, mlp_dim=24), path)


def test_the_systems_do_not_mix(tmp_path):
    path = tmp_path / "gcsa.pth.tar"
    save_checkpoint(path, GCSA(6, 4, 8, 4, 3, 0, 2, 0), [])
    with pytest.raises(InputError, match="input_proj.bias is not in the model"):
        load_pretrained(network(), path)
    with pytest.raises(InputError, match="blocks.0.attn.proj.bias is not in the model"):
        load_pretrained(GCSA(6, 4, 8, 4, 3, 1, 2, 0), published(tmp_path / "c.pth", network()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("blocks.1.mlp.fc2.bias"), "blocks.1.mlp.fc2.bias is not in the file"),
        (lambda s: s.update(ln=torch.zeros(3)), "ln is not in the model"),
        (lambda s: s.pop("topk_proj.weight"), "of CSA, it has no matrix topk_proj.weight"),
        (lambda s: s.clear(), "not a checkpoint of CSA, it has no matrix topk_proj.weight"),
        (lambda s: s.update({"feature_align.layers.1.weight": torch.zeros(4, 4)}),
         "feature_align.layers.1.weight is not in the model"),
        (lambda s: s.update({"blocks.0.norm1.bias": torch.zeros(3)}),
         r"blocks.0.norm1.bias is \(3,\) in the file, \(8,\) in the model"),
    ],
)  # fmt: skip
def test_every_tensor_has_its_place(tmp_path, change, message):
    state = network().state_dict()
    change(state)
    torch.save({"epoch": 0, "state_dict": state}, tmp_path / "c.pth")
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path / "c.pth", "cpu", GIVEN)


def test_arguments_that_lack_something(tmp_path):
    path = published(tmp_path / "c.pth", network(), arguments={"K": 3})
    with pytest.raises(InputError, match="c.pth: its arguments lack input_dim, output_dim, L,"):
        load_checkpoint(path)
