"""Rows and pictures of a run for Weights & Biases and TensorBoard, where they are asked for.

Neither is imported otherwise, and neither is needed to install the package.
"""

from __future__ import annotations

import importlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from PIL import Image

from gcsa import distributed
from gcsa.config import Config, as_dict
from gcsa.datasets.images import image_path, missing
from gcsa.errors import InputError
from gcsa.files import write_text, writing
from gcsa.plots.pictures import top
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene
from gcsa.scoring.split import JudgedScene
from gcsa.training.run import Run

logger = logging.getLogger(__name__)

EXAMPLES = 4  # queries whose strips are shown


class Trackers:
    """Whatever takes the rows and pictures of a run; nothing where none was asked for."""

    def __init__(self) -> None:
        self._rows: list[Callable[[dict[str, Any]], None]] = []
        self._pictures: list[Callable[[str, Any, int], None]] = []

    def row(self, row: dict[str, Any]) -> None:
        """A row of metrics.csv; what is None is left out."""
        known = {name: value for name, value in row.items() if value is not None}
        for take in self._rows:
            take(known)

    def examples(
        self,
        config: Config,
        scenes: Sequence[JudgedScene],
        rankings: Sequence[Ranking],
        epoch: int,
    ) -> None:
        """Strips of a few validation queries before and after, where their images are on disk."""
        if not self._pictures:
            return
        strips = list(_strips(config, scenes, rankings))
        for name, figure in strips:
            for take in self._pictures:
                take(name, figure, epoch)
        if not strips:  # nor will there be any later
            logger.info("%s: no example strips, its images are not on disk", scenes[0].scene.name)
            self._pictures.clear()

    def add_wandb(self, stack: ExitStack, run: Run, project: str) -> None:
        wandb = _package("wandb", "--wandb_project")
        settings = {"project": project, "name": run.folder.name, "config": as_dict(run.config)}
        known = run.folder / "wandb_id.txt"  # a resumed run goes on as the same one there, too
        if not known.is_file():
            write_text(known, uuid4().hex[:8])
        settings |= {"id": known.read_text(encoding="utf-8"), "resume": "allow"}
        with writing(run.folder / "wandb"):
            tracked = stack.enter_context(wandb.init(dir=run.folder, **settings))
        log = _at_the_door(run.folder / "wandb", tracked.log)
        self._rows.append(log)

        def show(name: str, figure: Any, epoch: int) -> None:
            with io.BytesIO() as buffer:  # wandb takes figures of pyplot only, but any image
                figure.savefig(buffer, format="png")
                log({name: wandb.Image(Image.open(buffer)), "epoch": epoch})

        self._pictures.append(show)

    def add_tensorboard(self, stack: ExitStack, run: Run) -> None:
        _package("tensorboard", "--tensorboard")
        board = importlib.import_module("torch.utils.tensorboard")
        folder = run.folder / "tensorboard"
        with writing(folder):
            writer = stack.enter_context(board.SummaryWriter(str(folder)))

        def take(row: dict[str, Any]) -> None:
            for name, value in row.items():
                if name != "epoch":
                    writer.add_scalar(name, value, row["epoch"])

        self._rows.append(_at_the_door(folder, take))
        self._pictures.append(_at_the_door(folder, writer.add_figure))


@contextmanager
def trackers(run: Run, wandb_project: str | None, tensorboard: bool) -> Iterator[Trackers]:
    """The trackers that a run was started with; of several processes the first alone tracks."""
    with ExitStack() as stack:
        result = Trackers()
        if distributed.rank() == 0:
            if wandb_project is not None:
                result.add_wandb(stack, run, wandb_project)
            if tensorboard:
                result.add_tensorboard(stack, run)
        yield result


def _at_the_door(folder: Path, take: Callable[..., Any]) -> Callable[..., None]:
    """The same function; where it cannot write its files, one line names their folder."""

    def taken(*values: Any) -> None:
        with writing(folder):
            take(*values)

    return taken


def _package(name: str, option: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"{option}: {name} is not installed (pip install {name})") from error


def _strips(
    config: Config, scenes: Sequence[JudgedScene], rankings: Sequence[Ranking]
) -> Iterator[tuple[str, Any]]:
    """(name, figure) of the first queries with a relevant image, of the first scene."""
    plots = importlib.import_module("gcsa.plots")
    ranked, ranking = scenes[0], rankings[0]
    scene, rule = ranked.scene, config.data.val_labels
    before = top(scene, ranked.judged, ranked.candidates, rule, config.fov)
    after = top(scene, ranked.judged, ranking, rule, config.fov)
    found = np.flatnonzero(before.judged.any(axis=1)).tolist()
    there = (q for q in found if _has_image(config, scene, q))
    for query in islice(there, EXAMPLES):
        tops = {"first round": before, "re-ranked": after}
        yield f"example {query}", plots.ranking_strip(config.data, scene, query, tops)


def _has_image(config: Config, scene: Scene, query: int) -> bool:
    return not missing([image_path(config.data, scene.name, str(scene.queries.names[query]))])
