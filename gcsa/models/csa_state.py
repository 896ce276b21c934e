"""State dicts of CSA, ours and those of its published code: the sizes that their tensors tell.

The published code saves {"epoch", "state_dict"}. Ours saves the same with "arguments", those of
:class:`gcsa.models.csa.CSA`, beside: what the tensors do not tell is the number of heads, how long
descriptors are, how many candidates are re-ranked, and the dropouts.
"""

from __future__ import annotations

import os
from typing import Any

from torch import Tensor

from gcsa.errors import InputError
from gcsa.models.csa import CSA
from gcsa.models.gcsa import ModelConfig

ARGUMENTS = (
    "input_dim output_dim K L num_layers num_heads mlp_dim qkv_bias reconstructs dropout_p "
    "attn_dropout_p path_dropout_p"
).split()
# What code that trains on several GPUs puts before every name.
PREFIX = "module."


def content_of(model: CSA, epoch: int) -> dict[str, Any]:
    """What a checkpoint file of ``model`` holds."""
    state = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    arguments = {name: getattr(model, name) for name in ARGUMENTS}
    return {"epoch": epoch, "state_dict": state, "arguments": arguments}


def state_of(content: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint file, their names without a prefix."""
    return {name.removeprefix(PREFIX): tensor for name, tensor in content["state_dict"].items()}


def arguments_of(
    content: dict[str, Any], path: str | os.PathLike, sizes: ModelConfig | None
) -> dict[str, Any]:
    """The arguments of the model of a checkpoint file.

    sizes: input_dim, K and num_heads for a file of the published code, which lacks them; the
    model of such a file is without dropout. Raises InputError where something is missing.
    """
    if "arguments" in content:
        missing = [name for name in ARGUMENTS if name not in content["arguments"]]
        if missing:
            raise InputError(f"{path}: its arguments lack {', '.join(missing)}")
        return {name: content["arguments"][name] for name in ARGUMENTS}
    if sizes is None:
        raise InputError(
            f"{path}: a checkpoint of CSA's published code does not tell model.num_heads, model.K "
            "and model.input_dim, which have to be given with it"
        )
    given = {"input_dim": sizes.input_dim, "K": sizes.K, "num_heads": sizes.num_heads}
    return given | _told_by_tensors(state_of(content), path)


def _told_by_tensors(state: dict[str, Tensor], path: str | os.PathLike) -> dict[str, Any]:
    """Arguments that follow from names and shapes."""
    for name in ("topk_proj.weight", "blocks.0.mlp.fc1.weight"):
        if name not in state or state[name].ndim != 2:
            raise InputError(f"{path}: not a checkpoint of CSA, it has no matrix {name}")
    output_dim, width = state["topk_proj.weight"].shape
    layers = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    return {
        "output_dim": output_dim,
        "L": width - 1,
        "num_layers": len(layers),
        "mlp_dim": len(state["blocks.0.mlp.fc1.weight"]),
        "qkv_bias": "blocks.0.attn.qkv.bias" in state,
        "reconstructs": "feature_align.layers.0.weight" in state,
    }
