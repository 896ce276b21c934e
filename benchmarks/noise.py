"""Two scenes of pictures of noise, for a quick look whether a training of descriptors runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gcsa.files import write_text

SETTINGS = (
    "data.dataset=folder data.train_scenes=[one] data.val_scenes=[two] data.num_workers=0 "
    "model.K=20 model.L=20 model.proj_dim=16 descriptor.size=32x32 "
    "descriptor.least=2 descriptor.groups=1"
).split()


def draw(root: Path) -> list[str]:
    """Write both scenes, photos along a street, below ``root``; the settings that read them."""
    random = np.random.default_rng(0)
    for scene in ("one", "two"):
        (root / scene).mkdir()
        lines = ["name,x,y,heading,split"]
        for number in range(60):
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            name = f"{number}.jpg"
            Image.fromarray(pixels).resize((32, 32)).save(root / scene / name)
            role = "query" if number % 4 == 0 else "database"
            lines.append(f"{name},{3 * number},0,0,{role}")
        write_text(root / scene / "images.csv", "\n".join(lines) + "\n")
    return SETTINGS
