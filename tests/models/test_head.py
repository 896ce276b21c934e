"""The head that gives logits: explicit loops, what it begins as, padding, and its checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from gcsa.errors import InputError
from gcsa.models.checkpoint import load_checkpoint, load_pretrained, save_checkpoint
from gcsa.models.csa import CSA
from gcsa.models.gcsa import GCSA, scores
from gcsa.models.head import TEMPERATURE, Head

SIZES = {"input_dim": 8, "proj_dim": 4, "output_dim": 12, "K": 5, "L": 3, "num_heads": 2}
MODELS = {
    "projection": lambda head: GCSA(**SIZES, num_layers=0, aff_dim=0, head=head),
    "gcsa": lambda head: GCSA(**SIZES, num_layers=1, aff_dim=0, head=head),
    "csa": lambda head: CSA(
        **{k: v for k, v in SIZES.items() if k != "proj_dim"}, num_layers=1, mlp_dim=24, head=head
    ),
}
every_model = pytest.mark.parametrize("name", MODELS)


def rows(seed=0, shape=(3, 6, 12)):
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(shape, generator=generator), dim=-1)


def learned(module, seed=0):
    """With random numbers in the place of a head's zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module


def looped(head, refined, valid):
    """Definition, number by number, in double precision."""
    u, v, w = (p.detach().double().numpy() for p in (head.product, head.own, head.none))
    found, t = np.zeros(refined.shape[:2]), head.temperature.item()
    for q, block in enumerate(refined.double().numpy()):
        root, logits = np.sqrt(block.shape[1]), []
        for x in block[1:]:
            alike = sum(a * b for a, b in zip(x, block[0], strict=True)) / t
            product = sum(u[d] * root * x[d] * root * block[0][d] for d in range(len(x)))
            logits.append(alike + product + sum(v[d] * root * x[d] for d in range(len(x))))
        mean = np.mean([s for s, there in zip(logits, valid[q], strict=True) if there])
        found[q, 1:] = np.array(logits) - mean
        found[q, 0] = sum(w[d] * root * block[0][d] for d in range(len(w))) + head.bias.item()
        found[q, 0] += np.log(valid[q].sum())
    return found


def test_equals_the_loop():
    head, refined = learned(Head(12)), rows()
    valid = torch.ones(3, 7, dtype=torch.bool)
    valid[1, 3:] = False
    found = head(refined, valid).detach().numpy()
    np.testing.assert_allclose(found, looped(head, refined, valid[:, :5].numpy()), atol=2e-5)
    whole = head(refined).detach().numpy()
    np.testing.assert_allclose(whole[[0, 2]], found[[0, 2]], atol=1e-6)


def test_it_begins_as_the_cosine_over_a_temperature():
    refined, head = rows(), Head(12)
    cosines, logits = scores(refined), scores(refined, head)
    expected = cosines[:, 1:] / TEMPERATURE
    torch.testing.assert_close(logits[:, 1:], expected - expected.mean(1, keepdim=True))
    assert logits[:, 0].tolist() == pytest.approx([np.log(5)] * 3), "as likely as the whole list"
    assert (logits[:, 1:].argsort(1) == cosines[:, 1:].argsort(1)).all()


def test_the_order_of_the_candidates_is_nothing_to_it():
    head, refined = learned(Head(12)), rows()
    order = torch.tensor([0, 3, 1, 5, 4, 2])
    torch.testing.assert_close(head(refined[:, order]), head(refined)[:, order])


def test_padding_changes_no_other_logit_and_no_gradient():
    head, refined = learned(Head(12)), rows()
    expected = head(refined[:, :4])
    valid = torch.arange(5).expand(3, 5) < 3
    for fill in (0.0, 1.0, 1e4):
        padded = refined.clone()
        padded[:, 4:] = fill
        padded.requires_grad_()
        found = head(padded, valid)[:, :4]
        torch.testing.assert_close(found, expected)
        found.square().sum().backward()
        assert (padded.grad[:, 4:] == 0).all()


def test_where_nothing_is_known_none_is_as_likely_as_all():
    same = rows()[:, :1].expand(3, 6, 12)
    torch.testing.assert_close(Head(12)(same).softmax(dim=1)[:, 0], torch.full((3,), 0.5))


def test_all_is_padding():
    logits = Head(12)(rows(), torch.zeros(3, 5, dtype=torch.bool))
    assert torch.isfinite(logits).all()


@every_model
def test_its_checkpoint_gives_the_same_logits(name, tmp_path):
    model = MODELS[name](True).eval()
    learned(model.head)
    save_checkpoint(tmp_path / "c.pth.tar", model, [])
    loaded, _ = load_checkpoint(tmp_path / "c.pth.tar")
    assert loaded.head is not None
    desc = rows(1, (2, 6, 8))
    found, expected = (scores(m(desc), m.head) for m in (loaded, model))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@every_model
def test_without_a_head_nothing_of_it_is_in_the_file(name, tmp_path):
    model = MODELS[name](False)
    assert not any("head" in key for key in model.state_dict())
    save_checkpoint(tmp_path / "c.pth.tar", model, [])
    assert load_checkpoint(tmp_path / "c.pth.tar")[0].head is None


@every_model
def test_a_file_with_half_a_head_is_refused(name, tmp_path):
    model = MODELS[name](True)
    save_checkpoint(tmp_path / "c.pth.tar", model, [])
    content = torch.load(tmp_path / "c.pth.tar", weights_only=True)
    content.get("model", content.get("state_dict")).pop("head.own")
    torch.save(content, tmp_path / "c.pth.tar")
    with pytest.raises(InputError, match=r"head\.own is not in the file"):
        load_checkpoint(tmp_path / "c.pth.tar")


def taken(tmp_path, name, head, into, into_head):
    save_checkpoint(tmp_path / "c.pth.tar", learned(MODELS[name](head)), [])
    model = MODELS[into](into_head)
    return model, [k for k in load_pretrained(model, tmp_path / "c.pth.tar") if "head" in k]


def test_the_head_of_a_projection_does_not_go_above_layers(tmp_path):
    """Their rows differ, even where they have the same length."""
    model, names = taken(tmp_path, "projection", True, "gcsa", True)
    assert not names and (model.head.own == 0).all()


@every_model
def test_a_head_goes_where_the_same_network_has_one(name, tmp_path):
    model, names = taken(tmp_path, name, True, name, True)
    assert len(names) == 5 and model.head.own.abs().min() > 0
    model, names = taken(tmp_path, name, True, name, False)
    assert not names and model.head is None
    model, names = taken(tmp_path, name, False, name, True)
    assert not names and (model.head.own == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rows_of_half_precision_give_logits_of_single(dtype):
    head, refined = learned(Head(12)), rows().to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        found = head(refined)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, head(refined.float()))
