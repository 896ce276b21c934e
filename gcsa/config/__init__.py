"""The settings of a run: YAML files and ``section.key=value`` over the defaults.

Each section is a dataclass that sits beside what it configures; a misspelt key or a value of the
wrong type is an error that names it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_origin, get_type_hints

import numpy as np
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gcsa.config import train as train_config
from gcsa.config.systems import check_system
from gcsa.config.train import TrainConfig
from gcsa.datasets.settings import CANDIDATES, HEADING_CONVENTIONS, UNKNOWN_RADIO, DataConfig
from gcsa.descriptors.settings import DescriptorConfig
from gcsa.errors import InputError, MissingFileError, nearest
from gcsa.files import replacing
from gcsa.local.verifying import LEAST
from gcsa.losses import LossConfig, check_loss
from gcsa.losses.mining import MiningConfig
from gcsa.models.csa import CSAConfig
from gcsa.models.gcsa import ModelConfig
from gcsa.models.place import PlaceConfig
from gcsa.places.settings import PosteriorConfig
from gcsa.sideinfo.fov import CUTOFFS, FovConfig, overlap_with
from gcsa.sideinfo.rules import Rule
from gcsa.written import from_command_line, read_yaml, typed

# The shipped YAML files: inside an installed package, beside it in a checkout.
_INSTALLED = Path(__file__).parents[1] / "configs"
SHIPPED = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "configs"


@dataclass
class Config:
    """All settings of a run."""

    data: DataConfig = field(default_factory=DataConfig)
    fov: FovConfig = field(default_factory=FovConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    csa: CSAConfig = field(default_factory=CSAConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    mining: MiningConfig = field(default_factory=MiningConfig)
    posterior: PosteriorConfig = field(default_factory=PosteriorConfig)
    place: PlaceConfig = field(default_factory=PlaceConfig)
    descriptor: DescriptorConfig = field(default_factory=DescriptorConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Defaults, then the YAML file, then ``section.key=value`` strings; checked as a whole.

    ``path`` is a file, or the bare name of a shipped one ("msls_train"); paths that settings hold
    are relative to the current folder, wherever the file lies.
    """
    config = OmegaConf.structured(Config)
    if path is not None:
        path = _find(path)
        config = merge(config, read_yaml(path), str(path))
    for override in overrides:
        config = merge(config, _change(override), "command line")
    result = cast(Config, OmegaConf.to_object(config))
    check_choices(result)
    _check_bounds(result)
    check_loss(result.train.loss, result.loss, result.train.own_positive)
    check_system(result)
    result.posterior.check()
    result.place.check()
    result.descriptor.check()
    return result


def save_config(config: Config, path: str | Path) -> None:
    """Write the resolved settings as YAML."""
    with replacing(path) as temporary:
        OmegaConf.save(OmegaConf.structured(config), temporary)


def as_dict(config: Config) -> dict[str, dict[str, Any]]:
    """Plain nested dicts, as JSON and trackers take them."""
    return asdict(config)


def _find(path: str | Path) -> Path:
    """The file of that path, or else the shipped one of that name."""
    path = Path(path)
    shipped = {file.stem: file for file in SHIPPED.glob("*.yaml")}
    if path.is_file():
        return path
    if str(path) in shipped:
        return shipped[str(path)]
    hint = f" (--conf {path.stem} is the shipped one)"
    if path.stem not in shipped:
        hint = f", nor a shipped one{nearest(path.stem, shipped)}"
    raise MissingFileError(f"{path}: no such config file{hint}")


def _change(override: str) -> dict[str, dict[str, Any]]:
    """The section, key and value of ``section.key=value``, nested as in a file."""
    parts = re.match(r"^(\w+)\.(\w+)=(.*)$", override, re.DOTALL)
    if not parts:
        raise InputError(f"'{override}': expected section.key=value")
    section, key, text = parts.groups()
    try:
        return {section: {key: from_command_line(text, _kinds(section).get(key))}}
    except InputError as error:
        raise InputError(f"'{override}': {error}") from error


def _kinds(section: str) -> dict[str, Any]:
    """The types of a section's settings by key; empty where there is no such section."""
    kinds = get_type_hints(Config)
    return get_type_hints(kinds[section]) if section in kinds else {}


def merge(config: Any, changes: Any, source: str) -> Any:
    """Merge settings into the structured config, after a look for keys that do not exist."""
    sections = {f.name: getattr(Config(), f.name) for f in fields(Config)}
    if not isinstance(changes, dict):
        raise InputError(f"{source}: expected the sections {', '.join(sections)}")
    values_of: dict[str, dict[str, Any]] = {}
    for section, values in changes.items():
        if section not in sections:
            raise InputError(f"{source}: no section '{section}'{nearest(str(section), sections)}")
        if not isinstance(values, dict):
            got = "a list" if isinstance(values, list) else f"'{values}'"
            raise InputError(f"{source}: section '{section}' must hold keys, got {got}")
        kinds = _kinds(section)
        for key in values:
            if key not in kinds:
                hint = nearest(str(key), kinds)
                raise InputError(f"{source}: no setting '{section}.{key}'{hint}")
        values_of[section] = {
            key: typed(value, kinds[key], f"{source}: {section}.{key}")
            for key, value in values.items()
        }
    try:
        return OmegaConf.merge(config, values_of)
    except OmegaConfBaseException as error:
        reason = _no_list(str(error.full_key), values_of) or str(error).splitlines()[0]
        raise InputError(f"{source}: {error.full_key}: {reason}") from error


def _no_list(key: str, changes: dict[str, dict[str, Any]]) -> str | None:
    """What to write where a plain word was given to a setting that is a list; else None."""
    section, _, name = key.partition(".")
    value = changes[section].get(name)
    if get_origin(_kinds(section).get(name)) is not list or isinstance(value, list | dict):
        return None
    words = "" if value is None else ",".join(re.findall(r"[^\s,]+", str(value)))
    return f"'{value}' is not a list; write {key}=[{words}]"


def check_choices(config: Config) -> None:
    """Values that are one of a few words."""
    config.data.searching.check()
    for key in ("train_labels", "val_labels"):
        try:
            Rule.of(getattr(config.data, key))
        except InputError as error:
            raise InputError(f"data.{key}: {error}") from error
    choices = {
        "data.heading_convention": (config.data.heading_convention, HEADING_CONVENTIONS),
        "data.candidates": (config.data.candidates, CANDIDATES),
        "data.local_model": (config.data.local_model, LEAST),
        "data.unknown_radio": (config.data.unknown_radio, UNKNOWN_RADIO),
        "fov.cutoff": (config.fov.cutoff, CUTOFFS),
        **{
            f"train.{key}": (getattr(config.train, key), allowed)
            for key, allowed in train_config.CHOICES.items()
        },
    }
    for key, (value, allowed) in choices.items():
        if value not in allowed:
            raise InputError(f"{key}: '{value}' is not a choice{nearest(value, allowed)}")


def _check_bounds(config: Config) -> None:
    """Numbers that cannot be any number; the sizes of the network are the model's own check."""
    least = {
        **{
            f"model.{key}": (getattr(config.model, key), 0 if key == "num_layers" else 1)
            for key in "input_dim proj_dim output_dim K L num_layers num_heads".split()
        },
        "data.batch_size": (config.data.batch_size, 1),
        "data.num_workers": (config.data.num_workers, 0),
        "train.num_epochs": (config.train.num_epochs, 0),
        "data.memory": (config.data.memory, 0),
        "train.refresh": (config.train.refresh, 1),
        "train.nearby": (config.train.nearby, 1),
        "train.lr_step": (config.train.lr_step, 1),
        "train.weight_decay": (config.train.weight_decay, 0),
        "train.warmup_epochs": (config.train.warmup_epochs, 0),
        "train.warmup_lr": (config.train.warmup_lr, 0),
        "train.warmup_steps": (config.train.warmup_steps, 0),
        "train.clip_norm": (config.train.clip_norm, 0),
        "train.remine": (config.train.remine, 1),
        "csa.mlp_ratio": (config.csa.mlp_ratio, 1),
        "csa.reconstruction": (config.csa.reconstruction, 0),
        "train.seed": (config.train.seed, 0),
        "train.timeout": (config.train.timeout, 0.01),
    }
    for key, (value, minimum) in least.items():
        if not -np.inf < value < np.inf:
            raise InputError(f"{key}: {value} is not a finite number")
        if not value >= minimum:
            raise InputError(f"{key}: {value} is less than {minimum}")
    if not 0 < (rate := config.train.learning_rate) < np.inf:
        raise InputError(f"train.learning_rate: {rate} is not a finite number above 0")
    shares = {
        "data.radio_dropout": config.data.radio_dropout,
        "model.input_dropout": config.model.input_dropout,
        "model.attn_dropout": config.model.attn_dropout,
        "csa.dropout": config.csa.dropout,
        "csa.path_dropout": config.csa.path_dropout,
        "train.momentum": config.train.momentum,
        "train.lr_end": config.train.lr_end,
    }
    for key, value in shares.items():
        if not 0 <= value < 1:
            raise InputError(f"{key}: {value} is not a share from 0 to below 1")
    check_field(config.fov)


def check_field(fov: FovConfig) -> None:
    """The field of view, said in the degrees of the settings: the code below them has radians."""
    if not 1e-4 <= fov.angle <= 360 - 1e-4:  # less is lost in rounding
        raise InputError(f"fov.angle: {fov.angle:g} is not between 0 and 360 degrees")
    if not fov.height >= 0:
        raise InputError(f"fov.height: {fov.height:g} is not a number of metres, 0 or more")
    least = int(fov.angle // 180) + 3  # vertices, the apex included
    if 3 <= fov.points < least:
        raise InputError(
            f"fov.points: {fov.points} are too few for {fov.angle:g} degrees, {least} are needed: "
            "neighbours on the arc must be less than 180 degrees apart"
        )
    try:
        overlap_with(np.zeros(2), 0.0, np.empty((0, 2)), np.empty(0), **fov.kwargs())
    except ValueError as error:
        raise InputError(f"fov: {error}") from error
