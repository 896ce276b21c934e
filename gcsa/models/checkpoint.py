"""Checkpoints: the published file formats, read strictly and written whole.

The file is a torch archive of one dict. GCSA's has the constructor's arguments, "affinity" (the
list of kinds) and "model" (the state dict), just those keys, so that whatever reads the published
format reads ours. CSA's has "state_dict", by which it is known, see :mod:`gcsa.models.csa_state`.
A head, which published files lack, is known by its tensors.
Our own settings travel beside the dict, as a JSON record in the same zip archive.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcsa.errors import InputError, MissingFileError
from gcsa.files import limits, reading, replacing
from gcsa.models.csa import CSA
from gcsa.models.csa_state import arguments_of, content_of, state_of
from gcsa.models.gcsa import GCSA, ModelConfig
from gcsa.models.head import PREFIX
from gcsa.sideinfo.affinity import check_kinds, width
from gcsa.written import refuse_references

Model = GCSA | CSA

FEW = 5  # problems of a file that are named

ARGUMENTS = (
    "input_dim proj_dim output_dim K L num_layers num_heads aff_dim input_dropout_p attn_dropout_p"
).split()
# torch.save names the folder of an archive "archive" where it is told no path.
SETTINGS_RECORD = "archive/gcsa.json"


def save_checkpoint(
    path: str | os.PathLike,
    model: Model,
    kinds: Sequence[str],
    settings: dict[str, Any] | None = None,
) -> None:
    """Write a model and its kinds of side information in its published format, all or nothing.

    settings: anything that JSON holds (the run's config, its epoch, ...), see
    :func:`read_settings`.
    """
    if isinstance(model, CSA):
        content = content_of(model, (settings or {}).get("epoch", 0))
    else:
        content = {name: getattr(model, name) for name in ARGUMENTS}
        content["affinity"] = list(kinds)
        content["model"] = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    save_archive(path, content, {} if settings is None else {SETTINGS_RECORD: json.dumps(settings)})


def save_archive(path: str | os.PathLike, content: Any, records: dict[str, str]) -> None:
    """Write what ``torch.save`` makes of ``content``, and further records, all or nothing.

    torch passes over a write that fails once, and would leave half a file: so it writes to memory.
    """
    whole = io.BytesIO()
    torch.save(content, whole)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, text in records.items():
            archive.writestr(name, text)
    with replacing(path) as temporary:
        temporary.write_bytes(whole.getbuffer())


def load_checkpoint(
    path: str | os.PathLike,
    device: torch.device | str = "cpu",
    sizes: ModelConfig | None = None,
) -> tuple[Model, list[str]]:
    """The model of a checkpoint, on ``device`` and in evaluation mode, and its kinds.

    sizes: what a file of CSA's published code does not tell, see
    :func:`gcsa.models.csa_state.arguments_of`; other files bring all of their own.
    Raises InputError where the file is not such a checkpoint, naming the keys or tensors.
    """
    content = _read(path)
    state = _state_of(content)
    arguments = _arguments(content, path, sizes)
    if arguments["num_layers"] > len(state):
        raise InputError(f"{path}: {arguments['num_layers']} layers, but {len(state)} tensors")
    made: type[Model] = CSA if _is_csa(content) else GCSA
    arguments["head"] = any(name.startswith(PREFIX) for name in state)
    with reading(path, "a checkpoint with the sizes of its network"):
        with torch.device("meta"):  # without memory: sizes are only what the file says
            empty = made(**arguments)
        kinds = _kinds(content, empty, path)
        problems = _misfits(state, empty.state_dict())
        if problems:
            raise InputError(f"{path}: does not fit its own sizes: {'; '.join(problems[:FEW])}")
        model = made(**arguments)
        model.load_state_dict(state)
    return model.to(device).eval(), kinds


def _arguments(
    content: dict[str, Any], path: str | os.PathLike, sizes: ModelConfig | None
) -> dict[str, Any]:
    """What the network of a checkpoint is made with, each of its type."""
    if _is_csa(content):
        found = arguments_of(content, path, sizes)
    else:
        missing = [key for key in (*ARGUMENTS, "affinity") if key not in content]
        if missing:
            raise InputError(f"{path}: not a checkpoint of GCSA, it lacks {', '.join(missing)}")
        found = {name: content[name] for name in ARGUMENTS}
    for name, value in found.items():
        kinds = (int, float) if name.endswith("_p") else (int,)
        if not isinstance(value, kinds):
            raise InputError(f"{path}: {name} is of type {type(value).__name__}, not a number")
    return found


def _kinds(content: dict[str, Any], model: Model, path: str | os.PathLike) -> list[str]:
    """The kinds of side information of a checkpoint; none of CSA."""
    if not isinstance(model, GCSA):
        return []
    kinds = content["affinity"]
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise InputError(f"{path}: affinity is no list of kinds of side information")
    check_kinds(kinds)
    _check_columns(path, model, kinds)
    return list(kinds)


def read_settings(path: str | os.PathLike) -> dict[str, Any] | None:
    """The settings that were saved with a checkpoint; None in a file of the published code.

    Raises InputError at a text with ``${...}``.
    """
    if not zipfile.is_zipfile(path):
        return None
    with reading(path, f"settings in JSON ({SETTINGS_RECORD})"), zipfile.ZipFile(path) as archive:
        limits.check_archive(path)
        if SETTINGS_RECORD not in archive.namelist():
            return None
        settings = json.loads(archive.read(SETTINGS_RECORD))
        if not isinstance(settings, dict):
            raise InputError(f"{path}: settings are no dict ({SETTINGS_RECORD})")
    refuse_references(settings, str(path))
    return settings


def load_pretrained(model: Model, path: str | os.PathLike) -> list[str]:
    """Start ``model`` from the tensors of another checkpoint; returns the names of those taken.

    A pre-trained projection goes into a bigger model so: every tensor of the file must have its
    place in the model, with the same shape; whatever else the model has keeps its values. But a
    head is of the rows that it read: that of a projection has no use above layers, and none has
    one where the model gives cosines. Raises InputError that names each tensor without a place.
    """
    state = _state_of(_read(path))
    if model.head is None or model.num_layers != _num_layers(state):
        state = {name: tensor for name, tensor in state.items() if not name.startswith(PREFIX)}
    if not state:
        raise InputError(f"{path}: holds no tensors, there is nothing to start from")
    own = model.state_dict()
    problems = [p for p in _misfits(state, own) if not p.endswith("is not in the file")]
    if problems:
        raise InputError(f"{path}: does not fit the model: {'; '.join(problems)}")
    model.load_state_dict({**own, **state})
    return sorted(state)


def _read(path: str | os.PathLike) -> dict[str, Any]:
    """The dict of a checkpoint file; only tensors and plain values are unpickled."""
    if not Path(path).is_file():
        raise MissingFileError(f"{path}: no such checkpoint")
    content = read_torch(path, "a checkpoint")
    states = [content.get(k) for k in ("model", "state_dict")] if isinstance(content, dict) else []
    if not any(isinstance(state, dict) for state in states):
        raise InputError(
            f"{path}: not a checkpoint of GCSA, it has no state dict 'model' (of CSA: 'state_dict')"
        )
    for state in (state for state in states if isinstance(state, dict)):
        for name, tensor in state.items():
            if not isinstance(name, str) or not isinstance(tensor, Tensor):
                raise InputError(f"{path}: its state dict has '{name}', which is no named tensor")
    return content


def read_torch(path: str | os.PathLike, expected: str) -> Any:
    """What ``torch.save`` wrote; only tensors and plain values are unpickled. InputError else."""
    with reading(path, f"{expected} that is whole"):
        limits.check_archive(path)
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, KeyError) as error:
            # torch's own words advise to run what a file may hold.
            said = "no file of torch, or one with more than tensors in it"
            raise InputError(f"{path}: {said}; expected {expected}") from error


def _state_of(content: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint of either system."""
    state: dict[str, Tensor] = state_of(content) if _is_csa(content) else content["model"]
    return state


def _num_layers(state: dict[str, Tensor]) -> int:
    """Of the network that tensors are of, by their names."""
    return len({name.split(".")[1] for name in state if name.startswith(("layers.", "blocks."))})


def _is_csa(content: dict[str, Any]) -> bool:
    return not isinstance(content.get("model"), dict)


def _misfits(state: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
    """What keeps a state dict from fitting a model's own, tensor by tensor."""
    problems = [f"{name} is not in the model" for name in state if name not in own]
    problems += [f"{name} is not in the file" for name in own if name not in state]
    for name in state.keys() & own.keys():
        found, expected = tuple(state[name].shape), tuple(own[name].shape)
        if found != expected:
            problems.append(f"{name} is {found} in the file, {expected} in the model")
    return sorted(problems)


def _check_columns(path: str | os.PathLike, model: GCSA, kinds: Sequence[str]) -> None:
    columns = sum(width(kind, model.L) for kind in kinds)
    if model.num_layers > 0 and model.aff_dim != columns:
        raise InputError(
            f"{path}: aff_dim is {model.aff_dim}, but {kinds} with L = {model.L} make {columns}"
        )
