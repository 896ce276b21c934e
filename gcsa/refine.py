"""A trained model applied to the first-round candidates of a scene."""

from __future__ import annotations

import torch
from torch import Tensor

from gcsa.affinity import Lists, SideInformation
from gcsa.candidates import Candidates
from gcsa.errors import InputError
from gcsa.model import GCSA, scores
from gcsa.scene import ImageSet, Scene

# Descriptors projected at a time: a gigabyte of float32 at 4096-d would be 65,536.
PROJECT_CHUNK = 8192


@torch.inference_mode()
def refine(
    model: GCSA,
    scene: Scene,
    candidates: Candidates,
    side: SideInformation,
    batch_size: int = 32,
) -> Candidates:
    """Re-rank the first K candidates of every query of a scene, on the model's device.

    candidates: lists of at least max(K, L) entries. There is no dropout here, so every image is
    projected once and the batches gather what they need.
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
    database, queries = project(model, scene.database), project(model, scene.queries)
    refined = torch.empty(len(candidates), model.K, device=database.device)
    for start in range(0, len(candidates), batch_size):
        rows = slice(start, start + batch_size)
        refined[rows] = _scores(model, side, database, queries, candidates, rows, width)
    model.train(was_training)
    return candidates.reordered(refined.cpu().numpy())


def check_dimension(model: GCSA, scene: Scene) -> None:
    """Raise InputError where a scene's descriptors have another length than the model reads."""
    length = scene.database.descriptors.shape[1]
    if length != model.input_dim:
        raise InputError(
            f"{scene.name}: its descriptors have length {length}, the model reads "
            f"{model.input_dim} (model.input_dim, data.desc_fn)"
        )


def project(model: GCSA, images: ImageSet) -> Tensor:
    """Projected descriptors of all images: (n, D) float32 on the model's device."""
    device = next(model.parameters()).device
    chunks = []
    for start in range(0, len(images), PROJECT_CHUNK):
        rows = torch.from_numpy(images.descriptors[start : start + PROJECT_CHUNK])
        chunks.append(model.project(rows.to(device).float()))
    return torch.cat(chunks)


def _scores(
    model: GCSA,
    side: SideInformation,
    database: Tensor,
    queries: Tensor,
    candidates: Candidates,
    rows: slice,
    width: int,
) -> Tensor:
    """Scores (B, K) of the candidates of some queries."""
    indices = candidates.indices[rows, :width]
    query_rows = torch.arange(rows.start, rows.start + len(indices))
    columns = side.columns(Lists(query_rows.numpy(), indices, model.K, model.L))
    index = torch.from_numpy(indices).to(database.device)
    listed = torch.cat([queries[query_rows.to(database.device), None], database[index]], dim=1)
    columns = torch.from_numpy(columns).to(database.device)
    return scores(model.refine(listed, columns, index >= 0))[:, 1:]
