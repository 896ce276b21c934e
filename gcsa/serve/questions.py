"""What may be asked of a photo: the fields of a request, checked, in the house's units."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.sparse import csr_array

from gcsa.descriptors.extraction.decoding import Decoded
from gcsa.errors import InputError
from gcsa.scene import EARTH, NORM_TOLERANCE, Scene
from gcsa.sideinfo.radio import MAX_DISTANCE, WEAKEST, Radio, path_loss_distance

NAME, TRANSMITTERS, BEST = 200, 2000, 100  # characters; signals of a request; images of an answer
DEPTH = 4  # arrays and objects within each other; of what is asked there are three
# What opens or closes one in JSON, and strings, within which neither does.
BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]')

Text = Annotated[str, Field(max_length=NAME)]
Metres = Annotated[float, Field(ge=-EARTH, le=EARTH)]
Accuracy = Annotated[float, Field(gt=0, le=EARTH)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Heard(_Strict):
    """A signal: of which transmitter, dBm, MHz, and the kind (wifi, ...) where addresses have one.

    Spelt as in the radio.csv that the database was described by.
    """

    transmitter: Annotated[str, Field(min_length=1, max_length=NAME)]
    rssi: Annotated[float, Field(ge=WEAKEST, lt=0)]
    frequency_mhz: Annotated[float, Field(gt=0, le=1e6)] | None = None
    kind: Text | None = None

    @property
    def name(self) -> str:
        """As the table of a folder names a transmitter."""
        return self.transmitter if self.kind is None else f"{self.kind}/{self.transmitter}"


class About(_Strict):
    """All that a request may say beside a photo, or with a descriptor in the place of one.

    scene: where to look, needed where there are several. heading: degrees clockwise from north.
    lat, lon: degrees, or x, y: metres, where the device says it is; accuracy: metres, 68 %. exif:
    take heading and position from the photo where they are not given. num: best images of the
    answer. map: with what the page draws.
    """

    scene: Text | None = None
    name: Text = ""
    descriptor: list[float] | str | None = None
    heading: Annotated[float, Field(ge=-360, le=720)] | None = None
    heading_accuracy: Annotated[float, Field(gt=0, le=180)] | None = None
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    x: Metres | None = None
    y: Metres | None = None
    accuracy: Accuracy | None = None
    radio: Annotated[list[Heard], Field(max_length=TRANSMITTERS)] = []
    exif: bool = False
    num: Annotated[int, Field(ge=1, le=BEST)] = 5
    map: bool = False

    @model_validator(mode="after")
    def _whole(self) -> About:
        for pair in (("lat", "lon"), ("x", "y")):
            if len([name for name in pair if getattr(self, name) is not None]) == 1:
                raise ValueError(f"{pair[0]} and {pair[1]}: only one of them is given")
        if self.lat is not None and self.x is not None:
            raise ValueError("lat, lon and x, y: only one position of the two")
        if self.accuracy is not None and self.lat is None and self.x is None:
            raise ValueError("accuracy: of a position, which is not given")
        return self


def about_of(text: bytes) -> About:
    """The fields of a request from JSON; InputError, one line, where they are not such."""
    depth = 0
    for found in BRACKETS.finditer(text):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
        if depth > DEPTH:
            raise InputError(f"JSON: more than {DEPTH} arrays and objects within each other")
    try:
        return About.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        own = first["type"] == "value_error"  # of _whole, which says itself what it is about
        said = first["msg"].removeprefix("Value error, ") if own else f"{where}: {first['msg']}"
        raise InputError(said) from error


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked, in the units of the house: a descriptor (D,) or a photo's pixels, and about.

    scene: its name. heading: radians; position: (2,) metres; NaN is unknown. radio: of one row.
    """

    about: About
    scene: str
    descriptor: np.ndarray | None
    photo: Decoded | None
    heading: float
    position: np.ndarray
    radio: Radio | None

    @property
    def kinds(self) -> tuple[str, bool, bool, bool]:
        """What is answered together has the same scene, and the same things are known of it."""
        heading, position = np.isfinite(self.heading), np.isfinite(self.position).all()
        return self.scene, bool(heading), bool(position), self.radio is not None


def question(about: About, scene: Scene, photo: Decoded | None = None) -> Question:
    """A request as a question to a scene; InputError where the scene has no use for it."""
    if (photo is None) == (about.descriptor is None):
        raise InputError("expected a photo, or a descriptor: one of them")
    length = scene.database.descriptors.shape[1]
    return Question(
        about,
        scene.name,
        None if about.descriptor is None else descriptor_of(about.descriptor, length),
        photo,
        np.nan if about.heading is None else float(np.deg2rad(about.heading)),
        _position(about, scene),
        _radio(about.radio) if about.radio and scene.database.radio is not None else None,
    )


def descriptor_of(given: list[float] | str, length: int) -> np.ndarray:
    """A descriptor (length,) float16 of unit length, from numbers or from base64 of float32, little
    endian; InputError where it is none.
    """
    try:
        raw = base64.b64decode(given, validate=True) if isinstance(given, str) else None
    except (binascii.Error, ValueError) as error:
        raise InputError("descriptor: text that is not base64") from error
    if raw is not None and len(raw) != 4 * length:
        raise InputError(f"descriptor: {len(raw)} bytes, expected {length} numbers of 4 each")
    values: Any = given if raw is None else np.frombuffer(raw, dtype="<f4")
    if len(values) != length:
        raise InputError(f"descriptor: {len(values)} numbers, the database's have {length}")
    row = np.asarray(values, dtype=np.float64)
    norm = float(np.linalg.norm(row))
    if not abs(norm - 1) <= NORM_TOLERANCE:
        raise InputError(f"descriptor: has length {norm:.4g}, expected 1")
    return row.astype(np.float16)


def _position(about: About, scene: Scene) -> np.ndarray:
    if about.x is not None and about.y is not None:
        return np.array([about.x, about.y])
    if about.lat is None or about.lon is None:
        return np.full(2, np.nan)
    if scene.frame is None:
        raise InputError(f"lat, lon: nobody knows where on the Earth {scene.name} is; x, y do")
    found: np.ndarray = scene.frame.to_metres(np.array([[about.lat, about.lon]]))[0]
    if not np.isfinite(found).all() or np.abs(found).max() > EARTH:
        raise InputError("lat, lon: too far from the database")
    return found


def _radio(heard: list[Heard]) -> Radio:
    """What one image heard; of two signals of one transmitter the nearer counts."""
    names = np.char.lower(np.array([signal.name for signal in heard]))
    rssi = np.array([signal.rssi for signal in heard])
    megahertz = np.array([signal.frequency_mhz or np.nan for signal in heard])
    metres = path_loss_distance(rssi, megahertz)
    known, number = np.unique(names, return_inverse=True)
    nearest = np.full(len(known), np.inf)
    np.minimum.at(nearest, number, metres)
    entries = nearest - MAX_DISTANCE, (np.zeros(len(known), dtype=np.int64), np.arange(len(known)))
    return Radio(csr_array(entries, shape=(1, len(known))), known)
