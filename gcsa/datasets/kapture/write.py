"""A scene as two kapture folders, ``mapping`` and ``query``, with its global features.

Cameras are one a sequence (more where images of one have the same time), of unknown optics, upright
and level, as a scene knows headings alone. What an image heard stands at its own time, as signals
that explain its distances to the transmitters.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gcsa.datasets.kapture.ground import RANGE
from gcsa.datasets.kapture.part import DATA, FEATURES
from gcsa.datasets.sessions import in_order
from gcsa.descriptors.gfeat import write_gfeat
from gcsa.errors import InputError
from gcsa.evaluation.truth import Truth
from gcsa.files import write_text
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.radio import DEFAULT_MHZ, MAX_DISTANCE, Radio

logger = logging.getLogger(__name__)

FOLDERS = {"database": "mapping", "queries": "query"}
HEADERS = {
    "sensors": "sensor_id, name, sensor_type, [sensor_params]+",
    "records_camera": "{}, device_id, image_path",
    "trajectories": "{}, device_id, qw, qx, qy, qz, tx, ty, tz",
    "records_gnss": "{}, device_id, x, y, z, utc, dop",
    "records_wifi": "{}, device_id, BSSID, frequency, RSSI, SSID, scan_time_start, scan_time_end",
    "records_bluetooth": "{}, device_id, address, RSSI, name",
}
MAC = re.compile(r"(?:wifi/)?((?:[0-9a-f]{2}:){5}[0-9a-f]{2})")
LEAST_DBM = 1.0  # a signal nearer to 0 is no measurement
Rows = Iterable[Sequence[object]]


@dataclass(frozen=True, eq=False)
class Stamps:
    """Of n images: times (n,) int64, cameras (n,) str, and the unit of the times, "" for none."""

    times: np.ndarray
    cameras: np.ndarray
    unit: str


def write_scene(
    folder: Path, scene: Scene, truth: Truth | None, kind: str, file: Callable[[str], Path]
) -> dict[str, np.ndarray]:
    """Write ``<folder>/mapping`` and ``<folder>/query``, all but the image files.

    kind: what made the descriptors, of ``reconstruction/global_features/<kind>``. file: where an
    image lies, for its size; 0 x 0 where it does not. Of queries that are the database itself
    nothing more is written. Returns the paths of the images below ``folder`` by role.
    """
    known = scene.database
    roles = {"database": (known, known.positions, known.headings, known.positions)}
    if not np.array_equal(scene.queries.names, known.names):
        own = (None, None) if truth is None else (truth.positions, truth.headings)
        roles["queries"] = (scene.queries, *own, scene.queries.positions)
    paths = {}
    for role, (images, positions, turned, reported) in roles.items():
        place = folder / FOLDERS[role]
        stamps = _stamps(images)
        rows = {
            "sensors": _sensors(images, stamps, file),
            "records_camera": zip(stamps.times, stamps.cameras, images.names, strict=True),
            "trajectories": _poses(stamps, positions, turned, place),
            "records_gnss": _readings(scene, images, stamps, reported, place),
            **_heard(images.radio, stamps),
        }
        _write(place / "sensors", rows, stamps)
        if images.descriptors is not None:
            features = (np.asarray(images.descriptors[i]) for i in range(len(images)))
            write_gfeat(place / FEATURES / kind, kind, images.names, features)
        paths[role] = np.char.add(f"{FOLDERS[role]}/{DATA}/", images.names)
    return paths


def _stamps(images: ImageSet) -> Stamps:
    """When and by which camera; images without sequences or times are numbered, by one camera."""
    n = len(images)
    if images.sequences is None and images.times is None:
        return Stamps(np.arange(n), np.full(n, "camera"), "")
    sequences = np.zeros(n, np.int64) if images.sequences is None else images.sequences
    frames = np.arange(n) if images.frames is None else images.frames
    times = 1_000_000 * in_order(sequences, frames) if images.times is None else images.times
    begun = np.array([f"s{s:05d}" if s >= 0 else f"alone{i:06d}" for i, s in enumerate(sequences)])
    again = _occurrence(begun, times)
    return Stamps(times, np.char.add(np.char.add(begun, "/cam"), again.astype(str)), " [us]")


def _occurrence(labels: np.ndarray, times: np.ndarray) -> np.ndarray:
    """How many images of the same label and time stand before each, (n,)."""
    both = np.unique(labels, return_inverse=True)[1], np.unique(times, return_inverse=True)[1]
    return in_order(both[0] * (both[1].max() + 1) + both[1], np.arange(len(times)))


def _sensors(images: ImageSet, stamps: Stamps, file: Callable[[str], Path]) -> Rows:
    cameras, first = np.unique(stamps.cameras, return_index=True)
    for camera, row in zip(cameras, first, strict=True):
        yield camera, "", "camera", "UNKNOWN_CAMERA", *_size(file(str(images.names[row])))


def _size(path: Path) -> tuple[int, int]:
    if not path.is_file():
        return 0, 0
    with Image.open(path) as image:
        return image.size


def _poses(
    stamps: Stamps, positions: np.ndarray | None, turned: np.ndarray | None, place: Path
) -> Rows:
    """World to camera; a camera of unknown heading looks straight down."""
    from scipy.spatial.transform import Rotation

    if positions is None:
        return []
    rows = np.flatnonzero(np.isfinite(positions).all(axis=1))
    if not len(rows):
        return []
    places = np.zeros((len(rows), 3))
    places[:, : positions.shape[1]] = positions[rows]
    angles = np.full(len(rows), np.nan) if turned is None else turned[rows]
    if len(rows) < len(positions) or np.isnan(angles).any():
        text = "%s: of %d images %d have no position, %d more no heading (they look down)"
        down = int(np.isnan(angles).sum())
        logger.info(text, place, len(positions), len(positions) - len(rows), down)
    to_camera = np.swapaxes(_cameras(angles), 1, 2)
    x, y, z, w = Rotation.from_matrix(to_camera).as_quat().T
    shift = -np.einsum("nij,nj->ni", to_camera, places).T
    return zip(stamps.times[rows], stamps.cameras[rows], w, x, y, z, *shift, strict=True)


def _cameras(headings: np.ndarray) -> np.ndarray:
    """Camera to world (n, 3, 3): level where a heading is known, else straight down."""
    known = np.isfinite(headings)
    angle = np.where(known, headings, 0.0)
    zero = np.zeros(len(angle))
    ahead = np.stack([np.sin(angle), np.cos(angle), zero], axis=1)
    right = np.stack([np.cos(angle), -np.sin(angle), zero], axis=1)
    down = np.broadcast_to([0.0, 0.0, -1.0], ahead.shape)
    level = np.stack([right, down, ahead], axis=2)
    return np.where(known[:, None, None], level, np.stack([right, -ahead, down], axis=2))


def _readings(
    scene: Scene, images: ImageSet, stamps: Stamps, reported: np.ndarray | None, place: Path
) -> Rows:
    """GNSS: where the map's images are, and where the queries' devices say they are."""
    if reported is None:
        return []
    if scene.frame is None:
        if images is not scene.database:
            logger.info("%s: what devices report is left out: nobody knows its degrees", place)
        return []
    degrees = scene.frame.to_degrees(reported[:, :2])
    accuracy = np.full(len(images), np.nan) if images.accuracy is None else images.accuracy
    rows = np.flatnonzero(np.isfinite(degrees).all(axis=1))
    dilution = np.nan_to_num(accuracy / RANGE)
    return (
        (stamps.times[i], f"{stamps.cameras[i]}_gnss", *degrees[i, ::-1], 0.0, 0, dilution[i])
        for i in rows
    )


def _heard(radio: Radio | None, stamps: Stamps) -> dict[str, Rows]:
    """Rows of WiFi and Bluetooth: frequency and strength that explain each distance."""
    rows: dict[str, list[Sequence[object]]] = {"records_wifi": [], "records_bluetooth": []}
    if radio is None:
        return {**rows}
    entries = radio.matrix.tocoo()
    metres = np.maximum(entries.data + MAX_DISTANCE, 1e-9)
    loss = 20 * np.log10(metres) + 20 * np.log10(DEFAULT_MHZ) - 27.55
    megahertz = np.where(
        loss >= LEAST_DBM, DEFAULT_MHZ, 10 ** ((LEAST_DBM + 27.55 - 20 * np.log10(metres)) / 20)
    )
    signal = -np.maximum(loss, LEAST_DBM)
    for i, (row, column) in enumerate(zip(entries.row, entries.col, strict=True)):
        time, camera, name = stamps.times[row], stamps.cameras[row], radio.transmitters[column]
        address = MAC.fullmatch(str(name))
        if address:
            cells = (address[1], megahertz[i], signal[i], "", 0, 0)
            rows["records_wifi"].append((time, f"{camera}_wifi", *cells))
        else:
            text = str(name).replace(",", " ")
            rows["records_bluetooth"].append((time, f"{camera}_bluetooth", text, signal[i], ""))
    return {**rows}


def _write(folder: Path, rows: dict[str, Rows], stamps: Stamps) -> None:
    """Write the files that have rows; receivers become sensors as they occur."""
    texts = {name: [_line(cells) for cells in found] for name, found in rows.items()}
    for kind in ("gnss", "wifi", "bluetooth"):
        receivers = dict.fromkeys(line.split(", ")[1] for line in texts[f"records_{kind}"])
        more = ", EPSG:4326" if kind == "gnss" else ""
        texts["sensors"] += [f"{name}, , {kind}{more}" for name in receivers]
    for name, lines in texts.items():
        if lines:
            header = HEADERS[name].format(f"timestamp{stamps.unit}")
            text = "\n".join(["# kapture format: 1.1", f"# {header}", *lines])
            write_text(folder / f"{name}.txt", text + "\n")


def _line(cells: Sequence[object]) -> str:
    texts = [str(cell) for cell in cells]
    wrong = next((text for text in texts if "," in text or "\n" in text), None)
    if wrong is not None:
        raise InputError(f"'{wrong}': kapture's fields cannot hold commas")
    return ", ".join(texts)
