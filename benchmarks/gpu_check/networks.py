"""The network that re-ranks, its losses and its training: the CPU's way beside the other ones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from city import ranked_city
from results import Results
from torch import Tensor

from gcsa.config import load_config
from gcsa.losses import LOSSES, make_loss
from gcsa.losses.config import LossConfig
from gcsa.models.checkpoint import read_torch, save_archive
from gcsa.models.gcsa import GCSA, scores
from gcsa.ranking.refine import refine
from gcsa.scoring.split import JudgedScene
from gcsa.training.trainer import Trainer

CPU = torch.device("cpu")
KINDS = ["positional-db", "heading"]
LENGTH, K, L = 64, 60, 30
SMALL = [
    f"model.input_dim={LENGTH}",
    "model.proj_dim=32",
    "model.output_dim=64",
    f"model.K={K}",
    f"model.L={L}",
    "model.num_heads=4",
    "model.num_layers=1",
    "model.affinity=[positional-db,heading]",
    # Chance is drawn otherwise on each device: without dropout there is none.
    "model.input_dropout=0",
    "model.attn_dropout=0",
    "train.precision=fp32",
    "train.learning_rate=1e-3",
    "data.batch_size=16",
    "data.num_workers=0",
]
# Descriptors and what each shows, of losses that compare these.
OTHERS = ("multi-similarity", "cosface")


def small_city(queries: int) -> JudgedScene:
    return ranked_city(400, queries, LENGTH, max(K, L), KINDS)


def check(results: Results, scene: JudgedScene, device: torch.device, tiny: bool) -> None:
    """All rows of this file."""
    results.compare("forward", "scores, fp32", lambda: _forward(device), 1e-4)
    for name in LOSSES:
        if name not in OTHERS:
            how = "value and gradient of the scores"
            results.compare(f"loss {name}", how, lambda n=name: _loss(n, device), 1e-4)
    results.compare("gradients", "of all weights, fp32", lambda: _gradients(scene, device), 1e-3)
    base: dict[str, Tensor] = {}

    def against(settings: list[str], where: torch.device) -> Callable[[], float]:
        def difference() -> float:
            if not base:
                base.update(_weights(_trained(scene, CPU, [])))
            return _largest(base, _weights(_trained(scene, where, settings)))

        return difference

    epoch = "weights after an epoch of the same seed"
    results.compare("training, fp32", epoch, against([], device), 5e-3)
    for precision in ("bf16", "fp16"):
        how, settings = f"{epoch}, against fp32", [f"train.precision={precision}"]
        results.compare(f"training, {precision}", how, against(settings, device), 5e-2, False)
    if not tiny:  # compiling takes most of a minute
        compiled = against(["train.compile=true"], device)
        results.compare("train.compile", epoch, compiled, 5e-3, False)
    workers = ["data.num_workers=2"]  # pinned buffers, filled by threads, copied beside the step
    results.compare("pinned copies", epoch, against(workers, device), 5e-3, False)
    resident = ["data.on_device=true", *workers]
    results.compare("data.on_device", epoch, against(resident, device), 5e-3, False)
    shared = ["train.projection=shared", "train.refresh=2", *workers]
    results.compare("train.projection=shared", epoch, against(shared, device), 5e-3, False)
    for way, (first, second) in {
        "GPU to CPU": (device, CPU),
        "CPU to GPU": (CPU, device),
    }.items():
        how = f"weights of two epochs, resumed after one, {way}"
        results.compare("resume", how, lambda a=first, b=second: _resumed(scene, a, b), 1e-2)
    results.compare("re-ranking", "scores of all lists", lambda: _refined(scene, device), 1e-4)


def _forward(device: torch.device) -> float:
    torch.manual_seed(0)
    model = GCSA(LENGTH, 32, 64, K, L, 1, 4, 2 * L + 1).eval()
    rows, columns = torch.randn(4, 1 + K, LENGTH), torch.rand(4, 1 + K, 2 * L + 1)
    valid = torch.rand(4, K) > 0.2
    with torch.no_grad():
        found = [
            scores(model.to(d)(rows.to(d), columns=columns.to(d), valid=valid.to(d))).cpu()
            for d in (CPU, device)
        ]
    return float((found[0] - found[1]).abs().max())


def _loss(name: str, device: torch.device) -> float:
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(8, 40, generator=generator) * 2 - 1
    labels = torch.rand(8, 40, generator=generator) > 0.7
    valid = torch.rand(8, 40, generator=generator) > 0.1
    found = []
    for where in (CPU, device):
        given = rows.to(where).detach().clone().requires_grad_()
        value = make_loss(name, LossConfig(), False)(given, labels.to(where), valid.to(where))
        value.backward()
        assert given.grad is not None
        found.append(torch.cat([value.detach().cpu()[None], given.grad.cpu().flatten()]))
    return float((found[0] - found[1]).abs().max())


def _trainer(scene: JudgedScene, device: torch.device, settings: list[str]) -> Trainer:
    config = load_config(None, [*SMALL, *settings])
    return Trainer(config, [scene], device)


def _trained(scene: JudgedScene, device: torch.device, settings: list[str]) -> Trainer:
    trainer = _trainer(scene, device, settings)
    trainer.epoch(1)
    return trainer


def _weights(trainer: Trainer) -> dict[str, Tensor]:
    """All but the biases of attention: that of the keys changes nothing, so Adam scales noise."""
    tensors = trainer.model.state_dict().items()
    known = ((name, t) for name, t in tensors if "in_proj_bias" not in name)
    return {name: t.detach().float().cpu().clone() for name, t in known}


def _largest(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def _gradients(scene: JudgedScene, device: torch.device) -> float:
    found = []
    for where in (CPU, device):
        trainer = _trainer(scene, where, ["train.optimizer=sgd", "train.momentum=0"])
        before = _weights(trainer)
        batch, projected, weight = next(
            trainer._batches(trainer.sampler.epoch(np.random.default_rng(0)), 1)
        )
        trainer.model.train()
        trainer.step(batch, projected, weight)
        after = _weights(trainer)
        # Plain SGD: a step is the gradient, times the learning rate.
        found.append({name: (before[name] - after[name]) / 1e-3 for name in before})
    return _largest(*found)


def _resumed(scene: JudgedScene, first: torch.device, second: torch.device) -> float:
    whole = _trained(scene, CPU, [])
    whole.epoch(2)
    begun = _trained(scene, first, [])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "resume.pth.tar"
        save_archive(path, {"model": begun.model.state_dict(), **begun.state()}, {})
        state = read_torch(path, "what was just written")
    resumed = _trainer(scene, second, [])
    resumed.load_state(state)
    resumed.epoch(2)
    return _largest(_weights(whole), _weights(resumed))


def _refined(scene: JudgedScene, device: torch.device) -> float:
    torch.manual_seed(0)
    model = GCSA(LENGTH, 32, 64, K, L, 1, 4, 2 * L + 1)
    found = [
        refine(model.to(where), scene.scene, scene.candidates, scene.side, 16, 2).scores[:, :K]
        for where in (CPU, device)
    ]
    return float(abs(found[0] - found[1]).max())
