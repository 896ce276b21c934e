"""A trained model applied to the first-round candidates of a scene."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gcsa.descriptors.memory import keep_freed_memory
from gcsa.descriptors.table import Table
from gcsa.distributed.work import Arrays, divided, pieces_of
from gcsa.errors import InputError
from gcsa.models.checkpoint import Model
from gcsa.models.gcsa import scores
from gcsa.ranking.batches import Batch, Known, RankedScene, Stream
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene
from gcsa.sideinfo.affinity import SideInformation


def refine(
    model: Model,
    scene: Scene,
    candidates: Ranking,
    side: SideInformation,
    batch_size: int = 32,
    num_workers: int = 0,
) -> Ranking:
    """Re-rank the first K candidates of every query of a scene, on the model's device.

    candidates: lists of at least max(K, L) entries; see :func:`scored`.
    """
    found = scored(model, scene, candidates, side, batch_size, num_workers)
    return candidates.reordered(found[:, 1:])


@torch.inference_mode()
def scored(
    model: Model,
    scene: Scene,
    candidates: Ranking,
    side: SideInformation,
    batch_size: int = 32,
    num_workers: int = 0,
) -> np.ndarray:
    """Scores (Q, 1+K) float32 of every query's first K candidates, anything where padded.

    The first column is the query's own, or of a head the logit of "none of these".
    candidates: lists of at least max(K, L) entries. There is no dropout here, so every image is
    projected once; the batches read projected rows, prepared ahead by ``num_workers`` threads.
    Where several processes work together they divide the queries, batch by batch.
    """
    width = max(model.K, model.L)
    if candidates.indices.shape[1] < width:
        raise InputError(
            f"{scene.name}: the model reads {width} candidates, "
            f"there are lists of {candidates.indices.shape[1]}"
        )
    check_dimension(model, scene)
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    if device.type == "cpu":
        keep_freed_memory()
    table = Table([scene], device)
    every = np.arange(len(table))
    stream = Stream(
        [RankedScene(scene, candidates, side)], table, model.K, model.L, batch_size, num_workers
    )
    projected = project(model, table, every)

    def work(own: np.ndarray) -> Arrays:
        queries = np.stack([np.zeros_like(own), own], axis=1)
        refined = [torch.empty(0, 1 + model.K, device=device)] + [
            read(model, batch.to(device), projected)
            for batch in stream.batches(queries, Known(every, len(every)))
        ]
        return {"scores": torch.cat(refined).cpu().numpy()}

    def about() -> object:
        return "refine", scene, candidates, side.about, batch_size, model.K, model.state_dict()

    found = divided(pieces_of(len(candidates), batch_size), work, about)["scores"]
    model.train(was_training)
    return found


def check_dimension(model: Model, scene: Scene) -> None:
    """Raise InputError where a scene's descriptors have another length than the model reads."""
    length = scene.database.descriptors.shape[1]
    if length != model.input_dim:
        raise InputError(
            f"{scene.name}: its descriptors have length {length}, the model reads "
            f"{model.input_dim} (model.input_dim, data.desc_fn)"
        )


def project(model: Model, table: Table, images: np.ndarray) -> Tensor:
    """Projected descriptors (m, D) float32 of ascending numbers (m,) of a table, on its device.

    In training mode an image's dropout is drawn once, however many lists it stands in.
    """
    length = model.proj_dim
    projected = torch.empty(len(images), length, device=table.device)
    for part, descriptors in table.chunks(images):
        projected[part] = model.project(descriptors)
    return projected


def read(model: Model, batch: Batch, projected: Tensor) -> Tensor:
    """Scores (B, 1+K) of a batch whose images are rows of ``projected``; the query is first."""
    listed = torch.nn.functional.embedding(batch.place, projected)
    return scores(model.refine(listed, batch.columns, batch.valid), model.head, batch.valid)
