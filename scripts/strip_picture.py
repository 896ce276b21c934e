"""Draw the picture of the README: the query that re-ranking helps most in the notebook's city.

Needs the released checkpoint (checkpoints/miniworld_streets.pth.tar, .h5) and no data set.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np

from gcsa import plots
from gcsa.config import load_config
from gcsa.datasets.readers import reader
from gcsa.errors import run_program
from gcsa.evaluation import metrics
from gcsa.evaluation.truth import num_relevant
from gcsa.miniworld.demo import draw_city
from gcsa.models.checkpoint import load_checkpoint
from gcsa.plots.pictures import top
from gcsa.ranking.refine import refine
from gcsa.ranking.retrieval import retrieve
from gcsa.scoring.ranker import as_trained
from gcsa.sideinfo.affinity import SideInformation

CITY, STEM = "sf", "checkpoints/miniworld_streets"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="docs/pictures/strip.jpg")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = draw_city(folder, CITY, f"{STEM}.h5")
        config = load_config("configs/miniworld_train.yaml", settings)
        config = as_trained(config, f"{STEM}.pth.tar", settings)
        model, kinds = load_checkpoint(f"{STEM}.pth.tar")
        scene, truth = reader(config.data).read(config.data, CITY, "val")
        first = retrieve(scene, num=max(model.K, model.L))
        refined = refine(model, scene, first, SideInformation(scene, kinds, config.fov))
        rule = config.data.val_labels
        tops = {
            title: top(scene, truth, ranking, rule, config.fov)
            for title, ranking in {"First round": first, "Re-ranked": refined}.items()
        }
        number = num_relevant(rule, scene, truth, config.fov)
        before, after = (
            metrics.average_precision_at_k(t.relevant, number, 10) for t in tops.values()
        )
        query = int(np.argmax(np.where(number > 0, after - before, -1)))
        figure = plots.ranking_strip(config.data, scene, query, tops)
        plots.save(figure, args.output, dpi=110)
    print(f"{args.output}: query {query} of {CITY}")


if __name__ == "__main__":
    run_program(main)
