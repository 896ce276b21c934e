"""A run from its first evaluation to its last epoch, and the log of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gcsa import distributed
from gcsa.config import Config
from gcsa.datasets.readers import in_training_and_validation
from gcsa.files import writing
from gcsa.scoring.ranker import pick_device
from gcsa.scoring.report import report, show
from gcsa.training.course import Course, open_course
from gcsa.training.run import Run
from gcsa.training.trackers import Trackers

logger = logging.getLogger(__name__)

LOG = "log.txt"


def session(config: Config, run: Run, resume: bool, tracked: Trackers) -> list[dict[str, Any]]:
    """Train a run to its last epoch; returns the rows of its metrics.csv.

    To be called between opening the run's files, :func:`log_file` among them, and closing them.
    """
    device = pick_device(config.train.device)
    for scene in in_training_and_validation(config.data):
        logger.warning("%s: is a scene of training and of validation (data.val_scenes)", scene)
    state = run.restore() if resume else None
    course = open_course(config, device, fresh=state is None)
    if state is not None:
        course.load_state(state)
    else:
        scenes, rankings = course.validate(before=True)
        first = report(config, "val", scenes, rankings)
        verbose = logger.isEnabledFor(logging.DEBUG)
        logger.info("%s: %s\n", course.words, show(first, verbose))
        row: dict[str, Any] = {"epoch": 0, "loss": None, "learning_rate": None}
        tracked.row(_finish(run, course, row, first))
    for epoch in range(run.epoch + 1, config.train.num_epochs + 1):
        row = {"epoch": epoch, "learning_rate": course.learning_rate}
        row["loss"] = course.epoch(epoch)
        scenes, rankings = course.validate()
        tracked.row(_finish(run, course, row, report(config, "val", scenes, rankings)))
        tracked.examples(config, scenes, rankings, epoch)
        logger.info(_line(run.rows[-1]))
    if (warning := run.no_gain()) is not None:
        logger.warning(warning)
    return run.rows


def _finish(
    run: Run, course: Course, row: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    """Keep an epoch; returns its row of metrics.csv."""
    row = {**row, **result["metrics"]}
    run.finish_epoch(row, course.model, course.state())
    return row


def _line(row: dict[str, Any]) -> str:
    values = "  ".join(f"{n} {100 * row[n]:.2f}" for n in ("recall@1", "recall@5", "mAP@10"))
    return f"epoch {row['epoch']}: loss {row['loss']:.4f}  {values}"


class _LogFile(logging.FileHandler):
    """A log that ends, with one line, where it cannot be written: the run is worth more."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        logging.getLogger("gcsa").removeHandler(self)
        stream, self.stream = self.stream, None  # it still holds what it could not write
        with suppress(OSError):
            if stream is not None:
                stream.close()
        logger.warning(
            "%s: cannot be written (%s); it ends here", self.baseFilename, error.strerror
        )


@contextmanager
def log_file(run: Run) -> Iterator[None]:
    """Everything that the package logs also goes to log.txt, once where processes share a run."""
    if distributed.rank() > 0:
        yield
        return
    with writing(run.folder / LOG):
        handler = _LogFile(run.folder / LOG)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    package = logging.getLogger("gcsa")
    level = package.level
    package.setLevel(level or logging.INFO)  # a level that the caller chose stays
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        handler.close()
