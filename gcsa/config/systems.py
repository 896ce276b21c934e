"""Settings that have to do with each other by what is trained: ``train.system``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcsa.config.train import BY_STEP, TrainConfig
from gcsa.errors import InputError

if TYPE_CHECKING:
    from gcsa.config import Config


def check_system(config: Config) -> None:
    """Settings that the network, or the stage that it is trained in, has no use for."""
    model, train = config.model, config.train
    if config.mining.growth > 1 and train.schedule in BY_STEP:
        raise InputError(
            f"mining.growth: train.schedule={train.schedule} changes the rate at every step; it "
            "goes with step and milestones"
        )
    if train.system == "descriptor":
        _check_descriptor(config)
        return
    if train.system == "place":
        _check_place(config)
        return
    unused = {
        "model.affinity": model.affinity,
        "train.init_proj": train.init_proj != "random",
        "train.freeze_input_proj": train.freeze_input_proj,
        "train.mining": train.mining,
    }
    wrong = [key for key, given in unused.items() if given]
    if train.system == "csa" and wrong:
        raise InputError(f"{wrong[0]}: CSA has no projection and reads no side information")
    if train.mining and model.num_layers > 0:
        raise InputError("train.mining: tuples train the projection alone (model.num_layers=0)")
    if train.mining and model.K < 1 + config.mining.negatives:
        raise InputError(
            f"model.K: {model.K} is less than the {1 + config.mining.negatives} images of a mined "
            "tuple without the query (1 + mining.negatives)"
        )


def _check_place(config: Config) -> None:
    """Settings that the network of places has no use for: it has a loss and lists of its own."""
    if config.train.loss != "place":
        raise InputError(f"train.loss: {config.train.loss} with train.system=place, whose is place")
    unused = "projection nearby mining init_proj freeze_input_proj compile skip_empty".split()
    default = TrainConfig()
    wrong = [k for k in unused if getattr(config.train, k) != getattr(default, k)]
    if wrong:
        raise InputError(f"train.{wrong[0]}: the network of places has no use for it")
    if config.model.affinity:
        raise InputError("model.affinity: the network of places reads whatever a scene has")


def _check_descriptor(config: Config) -> None:
    """What batches of descriptors and their loss have to do with each other."""
    batches, loss = config.descriptor.batches, config.train.loss
    if (loss == "cosface") != (batches == "groups"):
        raise InputError(
            f"train.loss: {loss} with descriptor.batches={batches}; groups are classified by "
            "cosface, and nothing else is"
        )
    if loss == "place":
        raise InputError("train.loss: place is of logits, which descriptors have none of")
    if config.train.checkpoint:
        raise InputError("train.checkpoint: descriptors start from descriptor.weights")
    unused = "projection nearby mining init_proj freeze_input_proj compile".split()
    default = TrainConfig()
    wrong = [k for k in unused if getattr(config.train, k) != getattr(default, k)]
    if wrong:
        raise InputError(f"train.{wrong[0]}: descriptors have no use for it")
