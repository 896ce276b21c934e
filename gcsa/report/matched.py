"""What matches between a query and its first image, as a picture of the report."""

from __future__ import annotations

from html import escape

import numpy as np

from gcsa.datasets.images import image_path
from gcsa.datasets.settings import DataConfig
from gcsa.errors import InputError
from gcsa.imaging import jpeg_base64, read_rgb
from gcsa.plots.matches import in_words, some
from gcsa.plots.style import OTHER, RELEVANT
from gcsa.report.outcomes import SceneOutcome

HEIGHT = 180  # pixels of both photos
SHOWN = 80  # lines of a kind


def matches_svg(data: DataConfig, outcome: SceneOutcome, query: int) -> str:
    """The query and the first image of the re-ranked list, lines between what matches; nothing
    where the scene has no local features or a photo cannot be read.
    """
    scene, row = outcome.scene, int(outcome.reranked.indices[query, 0])
    if scene.local is None or row < 0:
        return ""
    names = str(scene.queries.names[query]), str(scene.database.names[row])
    try:
        photos = [read_rgb(image_path(data, scene.name, n), upright=False)[0] for n in names]
    except InputError:
        return ""
    first, second, good = scene.local.matched(*names)
    scales = [HEIGHT / photo.height for photo in photos]
    widths = [round(photo.width * s) for photo, s in zip(photos, scales, strict=True)]
    places = first * scales[0], second * scales[1] + [widths[0], 0]
    pictures = "".join(
        f'<image x="{x}" y="0" width="{width}" height="{HEIGHT}" '
        f'href="data:image/jpeg;base64,{jpeg_base64(photo.resize((width, HEIGHT)))}"/>'
        for photo, width, x in zip(photos, widths, (0, widths[0]), strict=True)
    )
    lines = _lines(places, ~good, OTHER, ' stroke-dasharray="2 3"') + _lines(places, good, RELEVANT)
    words = f"with the first image: {in_words(good, scene.local.about)}"
    return (
        f'<figure class="matches"><svg viewBox="0 0 {sum(widths)} {HEIGHT}" role="img" '
        f'width="{sum(widths)}" aria-label="{escape(words)}">{pictures}{lines}</svg>'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )


def _lines(
    places: tuple[np.ndarray, np.ndarray], kind: np.ndarray, color: str, more: str = ""
) -> str:
    """Lines of some of the matches, at most SHOWN, evenly chosen."""
    rows = some(kind, SHOWN)
    path = "".join(
        f"M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}"
        for a, b in zip(places[0][rows], places[1][rows], strict=True)
    )
    return f'<path d="{path}" stroke="{color}" fill="none"{more}/>' if path else ""
