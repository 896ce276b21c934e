"""What training a descriptor does to every query: its list before training and after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.evaluation.metrics import KS
from gcsa.report.outcomes import Outcome, outcome_of
from gcsa.scoring.evaluation import full_report
from gcsa.scoring.ranker import pick_device
from gcsa.training.describing.describing import Describing
from gcsa.training.describing.validation import Validation

TRAINED = ("before training", "after training")


def study_of_training(config: Config, checkpoint: Path, split: str) -> Outcome:
    """Describe the photos of a split with the network as training begins, and with a checkpoint's.

    The beginning follows from the seed, and needs what training needed: its photos and weights.
    """
    device = pick_device(config.train.device)
    course, depth = Describing(config, device, fresh=True), max(*KS, config.model.K)
    validation = Validation(config, split)
    _, before = validation.ranked(course.describe, device, depth)
    course.load(checkpoint)
    scenes, after = validation.ranked(course.describe, device, depth)
    scenes = [replace(s, candidates=old) for s, old in zip(scenes, before, strict=True)]
    first = full_report(config, split, scenes, before)
    if not first["counts"]["with_positives"]:
        raise InputError(f"split '{split}': no query has a relevant image, nothing can be shown")
    lists = zip(scenes, after, strict=True)
    return Outcome(
        config,
        first=first,
        reranked=full_report(config, split, scenes, after),
        scenes=[outcome_of(config, scene, ranking, TRAINED) for scene, ranking in lists],
    )
