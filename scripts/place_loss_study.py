"""What a likelihood as the loss changes: a network by its config's own loss, and by place.

Prints a Markdown table of recall@1, mAP@10 and the calibration error of the confidence on the
validation scenes, percent: mean and standard deviation over the seeds, each run at its last epoch,
so that nothing is chosen by what is reported. "kernel": the lists of the posterior over places,
whose evidence is the network's logits, and what it has not read; or its cosines in the place of
similarities, calibrated on the training scenes, with the compass beside. A run whose last
checkpoint is there is not repeated.
"""

from __future__ import annotations

import argparse
import logging
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gcsa.config import Config, load_config
from gcsa.errors import InputError, run_program
from gcsa.evaluation.truth import labels
from gcsa.models.checkpoint import Model, load_checkpoint
from gcsa.places.calibration import Calibration
from gcsa.places.logits import Logits
from gcsa.ranking.lists import Ranking
from gcsa.ranking.refine import refine, scored
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scoring.calibration import calibrate_on_scenes, calibration_for
from gcsa.scoring.confidence import confidence_figures
from gcsa.scoring.report import judging, report
from gcsa.scoring.split import JudgedScene, prepare
from gcsa.sideinfo.rules import Rule
from gcsa.train import train

COLUMNS = ("recall@1", "mAP@10", "ECE")
LOSSES = {
    "own": [],
    "place": ["train.loss=place", "train.skip_empty=false", "train.own_positive=false"],
}
Figures = dict[str, float]


@dataclass(frozen=True, eq=False)
class Study:
    """The validation scenes, with columns for the networks, and the training ones."""

    config: Config
    validation: Sequence[JudgedScene]
    training: Sequence[JudgedScene]

    @classmethod
    def of(cls, config: Config) -> Study:
        both = []
        for split in ("val", "train"):
            judge = judging(config, split)
            kinds, depth = config.model.affinity, max(config.model.K, config.model.L)
            both.append(prepare(judge.data, judge.fov, kinds, split, depth))
        return cls(config, *both)

    def figures(self, lists: Sequence[Ranking]) -> Figures:
        metrics = report(self.config, "val", self.validation, lists)["metrics"]
        return {**metrics, **confidence_figures(self.config, self.validation, lists)}

    def located(
        self,
        scenes: Sequence[JudgedScene],
        calibrations: Sequence[Calibration],
        logits: Sequence[Logits | None],
    ) -> Figures:
        """Of the posterior's lists."""
        rule, settings = Rule.of(self.config.data.val_labels), PosteriorConfig()
        each = zip(scenes, calibrations, logits, strict=True)
        return self.figures(
            [
                posterior(s.scene, s.candidates, settings, rule, self.config.fov, c, logits=by)
                for s, c, by in each
            ]
        )

    def refined(self, model: Model, scenes: Sequence[JudgedScene]) -> list[JudgedScene]:
        """Scenes whose first K candidates are in the order of a network, with its scores."""
        found = []
        for s in scenes:
            lists = refine(model, s.scene, s.candidates, s.side).first(model.K)
            relevant = labels(
                self.config.data.val_labels, s.scene, s.judged, lists.indices, self.config.fov
            )
            found.append(replace(s, candidates=lists, labels=relevant))
        return found

    def own(self) -> list[Calibration]:
        return [calibration_for(self.config, s.scene) for s in self.validation]

    def without_network(self) -> Iterator[tuple[str, Figures]]:
        nothing = [None] * len(self.validation)
        yield "no re-ranking", self.figures([s.candidates for s in self.validation])
        yield "posterior, self-calibrated", self.located(self.validation, self.own(), nothing)
        found = [calibrate_on_scenes(self.config, self.training)] * len(nothing)
        yield (
            "posterior, calibrated on training scenes",
            self.located(self.validation, found, nothing),
        )

    def by_cosines(self, model: Model) -> Iterator[tuple[str, Figures]]:
        validation = self.refined(model, self.validation)
        yield "alone", self.figures([s.candidates for s in validation])
        found = calibrate_on_scenes(self.config, self.refined(model, self.training))
        count = len(validation)
        yield "kernel", self.located(validation, [found] * count, [None] * count)

    def by_logits(self, model: Model, kinds: Sequence[str]) -> Iterator[tuple[str, Figures]]:
        found = [scored(model, s.scene, s.candidates, s.side) for s in self.validation]
        pairs = zip(self.validation, found, strict=True)
        yield "alone", self.figures([s.candidates.reordered(f[:, 1:]) for s, f in pairs])
        reads = {"kernel": kinds}
        if "heading" in kinds:
            reads["kernel, compass beside"] = [kind for kind in kinds if kind != "heading"]
        for name, read in reads.items():
            logits = [Logits.of(f, read) for f in found]
            yield name, self.located(self.validation, self.own(), logits)


def trained(conf: str, overrides: list[str], loss: str, seed: int) -> str:
    """The last checkpoint of a run, trained unless it is there."""
    settings = [*overrides, *LOSSES[loss], f"train.seed={seed}"]
    config, name = load_config(conf, settings), f"{Path(conf).stem}-{loss}-{seed}"
    folder = Path(config.data.outputs) / "training" / name
    last = folder / f"checkpoint_{config.train.num_epochs}.pth.tar"
    if not last.is_file():
        train(config, name)
    return str(last)


def markdown(label: str, results: list[Figures]) -> str:
    cells = []
    for name in COLUMNS:
        values = [100 * result[name] for result in results if name in result]
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.1f}{spread}" if values else "")
    return f"| {label} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pretrain", default="", metavar="YAML", help="stage 1, where there is one"
    )
    parser.add_argument("--train", default="configs/miniworld_train.yaml", metavar="YAML")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--stage1", nargs="*", default=[], metavar="section.key=value", help="settings of stage 1"
    )
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    args = parser.parse_intermixed_args()
    if args.seeds < 1:
        raise InputError(f"--seeds: {args.seeds} is less than 1")
    logging.getLogger("gcsa").setLevel(logging.WARNING)
    study = Study.of(load_config(args.train, args.overrides))
    print(f"| | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
    for label, figures in study.without_network():
        print(markdown(label, [figures]), flush=True)
    for loss in LOSSES:
        rows: dict[str, list[Figures]] = {}
        for seed in range(args.seeds):
            settings = list(args.overrides)
            if args.pretrain:
                first = trained(args.pretrain, args.stage1, loss, seed)
                settings.append(f"train.checkpoint={first}")
            model, kinds = load_checkpoint(trained(args.train, settings, loss, seed))
            logits = model.head is not None
            found = study.by_logits(model, kinds) if logits else study.by_cosines(model)
            for name, figures in found:
                rows.setdefault(name, []).append(figures)
        name = load_config(args.train, [*args.overrides, *LOSSES[loss]]).train.loss
        for how, results in rows.items():
            print(markdown(f"{name}, {how}", results), flush=True)


if __name__ == "__main__":
    run_program(main)
