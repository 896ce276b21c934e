"""A finished world in the layouts of other tools, beside its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gcsa.config import load_config
from gcsa.export import export


def write_layout(
    out: str | Path, layout: str, dataset: str, descriptor: str, scenes: Mapping[str, Sequence[str]]
) -> None:
    """Write the scenes of each split to ``<out>/<layout>``, and print the settings that read them.

    dataset: what the world is in ``<out>/datasets``; descriptor: what its descriptor files are
    called.
    """
    out = Path(out)
    settings = [f"data.dataset={dataset}", f"data.root={out / 'datasets'}"]
    settings += [f"data.outputs={out / 'outputs'}", f"data.desc_fn={descriptor}.h5"]
    for split, names in scenes.items():
        if names:
            config = load_config(None, [*settings, f"data.{split}_scenes=[{','.join(names)}]"])
            print("to read it again:", *export(config, out / layout, layout, split))
