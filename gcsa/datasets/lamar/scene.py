"""LaMAR: the sessions of one scene -> (Scene, Truth).

The database is the session "map"; queries come from a phone and from a HoloLens, whose rig has
several cameras. Query sessions know their own odometry only: true poses are in the truth. For
training the database images are the queries.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gcsa.datasets.lamar.capture import Session, camera_poses, query_images, read_session
from gcsa.datasets.lamar.records import Camera
from gcsa.datasets.sessions import in_order
from gcsa.datasets.settings import HEADING_CONVENTIONS
from gcsa.descriptors.hdf5 import open_pack
from gcsa.errors import InputError, MissingFileError, nearest
from gcsa.evaluation.truth import Truth
from gcsa.files import similar_folder
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.radio import Radio, align, stack
from gcsa.sideinfo.scans import clock_of, observe

SCENES = "CAB HGE LIN".split()
DEVICES = "phone hololens".split()
QUERY_SESSIONS = {"val": "query_val_{}", "test": "query_{}"}
SPLITS = ("train", *QUERY_SESSIONS)
# A camera that looks within a degree of straight up or down has no heading.
LEAST_HORIZONTAL = np.sin(np.deg2rad(1.0))


@dataclass(frozen=True, eq=False)
class Part:
    """The images that one session gives to a scene, (n,) rows of its images.txt.

    queries: (n,) which line of queries.txt each is of, from 0; None for the map.
    """

    session: Session
    rows: np.ndarray
    queries: np.ndarray | None = None

    @property
    def names(self) -> np.ndarray:
        """Image paths relative to the scene's folder, (n,) str."""
        prefix = f"sessions/{self.session.folder.name}/raw_data/"
        return np.char.add(prefix, self.session.listed.paths[self.rows])

    def poses(self) -> tuple[np.ndarray, np.ndarray]:
        """True camera-to-world rotations (n, 3, 3) and positions (n, 3); NaN where unknown."""
        session = self.session
        trajectory = session.trajectory if self.queries is None else session.alignment
        rotations, positions = camera_poses(session, trajectory)
        return rotations[self.rows], positions[self.rows]

    def cameras(self) -> list[Camera]:
        """The intrinsics of the images, n of them."""
        return [
            self.session.cameras[sensor] for sensor in self.session.listed.sensor_ids[self.rows]
        ]

    def recordings(self) -> np.ndarray:
        """Which recording of its session, and of a rig's which camera, each image is of: (n,) str.

        A phone's frames may each have a camera of their own, with its own intrinsics.
        """
        sensors = self.session.listed.sensor_ids[self.rows]
        in_rigs = [sensor for rig in self.session.rigs.values() for sensor in rig.sensor_ids]
        whole = self.queries is None
        alone = np.full(len(sensors), whole) | ~np.isin(sensors, in_rigs)
        label = np.where(alone, clock_of(sensors), sensors)
        return np.char.add(f"{self.session.folder.name}/", label)

    def radio(self, past_only: bool) -> Radio:
        """What the images heard."""
        images = self.session.listed
        clocks = clock_of(images.sensor_ids[self.rows])
        scans = self.session.wifi, self.session.bluetooth
        return observe(images.timestamps[self.rows], clocks, *scans, past_only=past_only)


def read_scene(
    root: str | os.PathLike,
    scene: str,
    split: str = "val",
    descriptors: str | os.PathLike | None = None,
    devices: Sequence[str] | None = None,
    heading_convention: str = "correct",
    normalise: bool = False,
) -> tuple[Scene, Truth | None]:
    """Read one scene.

    root: the folder that holds CAB/, HGE/, LIN/.
    split: "val" (sessions query_val_*); "test" (query_*, truth None); "train": the queries are the
        database images, row by row, their poses the truth.
    descriptors: hloc HDF5 file of the scene, image names relative to the scene's folder or, as
        lamar writes them, to its sessions/; without it the scene's descriptors are None.
    devices: "phone", "hololens"; None for those that exist.
    heading_convention: "correct", or "published", which mirrors the headings (and the truth's).
    normalise: as of :func:`gcsa.descriptors.hdf5.open_pack`.

    Names are ``sessions/<session>/raw_data/<path>``. Positions (n, 3) are metres in the frame of
    the map, headings those of the cameras' axes, NaN within a degree of straight up or down.
    Queries have neither, in training too. Sequences are the recordings (sub-sessions) of a
    session, of queries each camera of a rig by itself. Radio of queries is from scans at or before
    the image; it is None where no session has any. Raises InputError, which names file and line.
    """
    if heading_convention not in HEADING_CONVENTIONS:
        hint = nearest(heading_convention, HEADING_CONVENTIONS)
        raise InputError(f"heading convention '{heading_convention}' is not known{hint}")
    folder = Path(root) / scene
    mapped = read_map(folder)
    parts = [mapped] if split == "train" else read_queries(folder, split, devices)
    names = np.concatenate([part.names for part in parts])
    rows = None if descriptors is None else _DescriptorFile(descriptors, normalise)
    database_radio, query_radio = _radio(mapped, parts)
    rotations, positions = mapped.poses()
    database = ImageSet(
        names=mapped.names,
        descriptors=None if rows is None else rows(mapped.names),
        positions=positions,
        headings=headings(rotations, heading_convention),
        radio=database_radio,
        **_taken([mapped]),
    )
    queries = ImageSet(
        names=names,
        descriptors=None if rows is None else rows(names),
        radio=query_radio,
        **_taken(parts),
    )
    truth = None if split == "test" else _truth(parts, heading_convention)
    return Scene(scene, database, queries), truth


def read_map(folder: Path) -> Part:
    """The database of the scene in ``folder``: every image of its map."""
    session = _read(folder, "map")
    if session.trajectory is None:
        raise MissingFileError(f"{session.folder / 'trajectories.txt'}: no such file (map poses)")
    return Part(session, np.arange(len(session.listed)))


def read_cameras(root: str | os.PathLike, scene: str, split: str) -> dict[str, Camera]:
    """The intrinsics of all images of a scene, by name."""
    folder = Path(root) / scene
    parts = [read_map(folder), *([] if split == "train" else read_queries(folder, split))]
    return {
        str(name): camera
        for part in parts
        for name, camera in zip(part.names, part.cameras(), strict=True)
    }


def read_queries(folder: Path, split: str, devices: Sequence[str] | None = None) -> list[Part]:
    """The queries of the scene in ``folder``, a part for each device: "val" or "test"."""
    if split not in QUERY_SESSIONS:
        raise InputError(f"'{split}' is not a split of LaMAR{nearest(split, SPLITS)}")
    for device in devices or ():
        if device not in DEVICES:
            raise InputError(f"'{device}' is not a device of LaMAR{nearest(device, DEVICES)}")
    names = {device: QUERY_SESSIONS[split].format(device) for device in devices or DEVICES}
    if devices is None:
        names = {d: n for d, n in names.items() if (folder / "sessions" / n).is_dir()}
    if not names:
        expected = " nor ".join(QUERY_SESSIONS[split].format(device) for device in DEVICES)
        raise MissingFileError(f"{folder / 'sessions'}: neither {expected}")
    parts = []
    for name in names.values():
        session = _read(folder, name)
        required: dict[str, object] = {"queries.txt": session.queries}
        if split == "val":
            required["proc/alignment_trajectories.txt"] = session.alignment
        for file, content in required.items():
            if content is None:
                raise MissingFileError(f"{session.folder / file}: no such file")
        parts.append(Part(session, *query_images(session)))
    return parts


def headings(rotations: np.ndarray, convention: str = "correct") -> np.ndarray:
    """Headings of cameras from camera-to-world rotations (n, 3, 3): (n,) radians, [0, 2 pi).

    The viewing axis is the third column; clockwise from +y ("correct"), or counter-clockwise from
    +x ("published"). NaN where the axis lies within a degree of the vertical, or is NaN.
    """
    east, north = rotations[:, 0, 2], rotations[:, 1, 2]
    angle = np.arctan2(east, north) if convention == "correct" else np.arctan2(north, east)
    return np.where(np.hypot(east, north) >= LEAST_HORIZONTAL, angle % (2 * np.pi), np.nan)


def _read(folder: Path, name: str) -> Session:
    path = folder / "sessions" / name
    if not path.is_dir():
        hint = "" if folder.is_dir() else similar_folder(folder)
        raise MissingFileError(f"{path}: no such session{hint or ' (data.root holds lamar/)'}")
    session = read_session(path)
    if session.images is None:
        raise MissingFileError(f"{path / 'images.txt'}: no such file")
    return session


def _radio(mapped: Part, parts: list[Part]) -> tuple[Radio | None, Radio | None]:
    """Radio of the database and of the queries, with the same transmitters."""
    tables = [table for p in (mapped, *parts) for table in (p.session.wifi, p.session.bluetooth)]
    if not any(table is not None and len(table) for table in tables):
        return None, None
    queries = stack([part.radio(past_only=True) for part in parts])
    database, queries = align([mapped.radio(past_only=False), queries])
    return database, queries


def _taken(parts: list[Part]) -> dict[str, np.ndarray]:
    """The fields of an ImageSet that say what was taken together: recordings, in time order."""
    labels = np.concatenate([part.recordings() for part in parts])
    times = np.concatenate([part.session.listed.timestamps[part.rows] for part in parts])
    sequences = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return {"sequences": sequences, "frames": in_order(sequences, times), "times": times}


def _truth(parts: list[Part], convention: str) -> Truth:
    poses = [part.poses() for part in parts]
    rotations = np.concatenate([rotation for rotation, _ in poses])
    return Truth(
        np.concatenate([position for _, position in poses]), headings(rotations, convention)
    )


class _DescriptorFile:
    """Descriptors by image name, whichever of the two forms of names the file has."""

    def __init__(self, path: str | os.PathLike, normalise: bool):
        self._pack = open_pack(path, normalise)
        self._full = bool(np.char.startswith(self._pack.keys, b"sessions/").any())

    def __call__(self, names: np.ndarray):
        short = np.char.replace(names, "sessions/", "", count=1)
        return self._pack.rows(names if self._full else short)
