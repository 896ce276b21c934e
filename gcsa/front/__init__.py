"""The front door: what a notebook wants of the package, arrays in and arrays out, without files.

Arrays are NumPy's, torch's, or lists of numbers; what comes back is NumPy's. Angles are radians
clockwise from north, positions metres (east, north); NaN stands for what is not known of an image.
"""

from gcsa.front.calibration import fit
from gcsa.front.measuring import measure, overlap
from gcsa.front.ranking import Checkpoint, load, rank
from gcsa.places.calibration import Calibration
from gcsa.places.located import Located
from gcsa.ranking.lists import Ranking

__all__ = [
    "Calibration",
    "Checkpoint",
    "Located",
    "Ranking",
    "fit",
    "load",
    "measure",
    "overlap",
    "rank",
]
