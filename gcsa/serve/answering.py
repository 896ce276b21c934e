"""Questions of strangers answered as ``gcsa locate`` answers those of a data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gcsa.datasets.folder.exif import read_pose, true_north
from gcsa.descriptors.extraction.decoding import Photo
from gcsa.errors import InputError, nearest
from gcsa.locate.answers import Answers
from gcsa.locate.outputs import geojson
from gcsa.locate.page import drawn, ground
from gcsa.locate.prepared import Prepared
from gcsa.ranking.lists import Ranking
from gcsa.scene import ImageSet, Scene
from gcsa.serve.bodies import Sent
from gcsa.serve.describing import Describer
from gcsa.serve.questions import About, Question, about_of, question
from gcsa.serve.uploads import PhotoLimits, Upload, check
from gcsa.sideinfo import radio

ABOUT = 64 << 10  # bytes of the fields beside a descriptor
NUMBER = 32  # bytes of a number of a descriptor in JSON
# No image of a database is called so: none is left out as if it were the query itself.
NAMELESS = "\x1f"


class Answering:
    """The scenes that are asked, each made ready, and what describes photos, if anything does."""

    def __init__(
        self, scenes: Mapping[str, Prepared], describer: Describer | None, limits: PhotoLimits
    ):
        self.scenes, self.describer, self._limits = scenes, describer, limits
        self.grounds = {name: ground(found.scene) for name, found in scenes.items()}
        # The sizes of JSON: what a descriptor of the longest takes, and the other fields.
        lengths = [found.scene.database.descriptors.shape[1] for found in scenes.values()]
        self.text = ABOUT + NUMBER * max(lengths)

    def read(self, sent: Sent) -> Question:
        """What was sent as a question, its photo decoded; InputError. For any thread."""
        if len(sent.about) > self.text:
            raise InputError(f"JSON: {len(sent.about)} bytes, at most {self.text} are taken")
        about = about_of(sent.about)
        scene = self._scene(about.scene)
        if sent.photo is None:
            return question(about, scene)
        if self.describer is None:
            raise InputError("photo: descriptors alone are taken here")
        upload = Upload(sent.photo)
        check(upload, self._limits)
        if about.exif:
            about = _with_exif(about, upload)
        return question(about, scene, self.describer.recipe.decode(Photo("photo", upload)))

    def answer(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """The answers, as JSON has them. For one thread."""
        descriptors = self._descriptors(questions)
        groups: dict[tuple, list[int]] = defaultdict(list)
        for number, asked in enumerate(questions):
            groups[asked.kinds].append(number)
        found: dict[int, dict[str, Any]] = {}
        for numbers in groups.values():
            together = [questions[number] for number in numbers]
            rows = np.stack([descriptors[number] for number in numbers])
            found |= dict(zip(numbers, self._answers(together, rows), strict=True))
        return [found[number] for number in range(len(questions))]

    def _scene(self, name: str | None) -> Scene:
        if name is None and len(self.scenes) > 1:
            raise InputError(f"scene: expected one of {', '.join(self.scenes)}")
        if name is not None and name not in self.scenes:
            raise InputError(f"scene: there is none of that name{nearest(name, self.scenes)}")
        return self.scenes[name or next(iter(self.scenes))].scene

    def _descriptors(self, questions: Sequence[Question]) -> list[np.ndarray]:
        photos = [asked.photo for asked in questions if asked.photo is not None]
        made = iter(self.describer.describe(photos) if self.describer and photos else ())
        return [
            next(made).astype(np.float16) if asked.descriptor is None else asked.descriptor
            for asked in questions
        ]

    def _answers(self, asked: Sequence[Question], descriptors: np.ndarray) -> list[dict[str, Any]]:
        """Of questions to one scene of which the same things are known."""
        prepared = self.scenes[asked[0].scene]
        scene = prepared.scene.asked(_images(asked, descriptors))
        located, first = prepared.locate(scene)
        answers = Answers(scene, located)
        features = geojson([answers], max(one.about.num for one in asked))["features"]
        centre = self.grounds[scene.name]["centre"]
        results = []
        for row, (one, feature) in enumerate(zip(asked, features, strict=True)):
            made = _answer(one, scene, feature)
            made["first_round"] = _first(scene, first, row, one.about.num)
            if one.about.map:
                made["map"] = drawn(
                    answers, row, centre, first.indices[row, : one.about.num].tolist()
                )
            results.append(made)
        return results


def _images(asked: Sequence[Question], descriptors: np.ndarray) -> ImageSet:
    """Questions as the queries of a scene; what one of them knows all know."""
    abouts = [one.about for one in asked]
    headings = np.array([one.heading for one in asked])
    positions = np.stack([one.position for one in asked])
    heard = [one.radio for one in asked if one.radio is not None]
    nothing = np.isnan(positions).all()
    return ImageSet(
        np.array([f"{NAMELESS}{number}" for number in range(len(asked))]),
        descriptors,
        None if nothing else positions,
        None if np.isnan(headings).all() else headings,
        radio.stack(heard) if heard else None,
        None if nothing else _numbers([about.accuracy for about in abouts]),
        np.deg2rad(_numbers([about.heading_accuracy for about in abouts])),
    )


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _answer(asked: Question, scene: Scene, feature: dict[str, Any]) -> dict[str, Any]:
    """What is said of a question: the properties of its feature, and that itself."""
    about, database = feature["properties"], scene.database
    about["name"], about["best"] = asked.about.name, about["best"][: asked.about.num]
    place = {key: about[key] for key in ("lat", "lon", "x", "y") if key in about}
    return {
        "name": asked.about.name,
        "scene": scene.name,
        "position": place or None,
        **{key: about[key] for key in ("radius_m", "confidence", "none", "best")},
        "evidence": {
            "heading": bool(np.isfinite(asked.heading)) and database.headings is not None,
            "position": bool(np.isfinite(asked.position).all()) and database.positions is not None,
            "radio": asked.radio is not None,
        },
        "geojson": feature,
    }


def _first(scene: Scene, first: Ranking, row: int, num: int) -> list[dict[str, Any]]:
    """The first images by looks alone."""
    return [
        {"name": str(scene.database.names[image]), "similarity": round(float(score), 4)}
        for image, score in zip(first.indices[row, :num], first.scores[row, :num], strict=True)
        if image >= 0
    ]


def _with_exif(about: About, upload: Upload) -> About:
    """What the camera wrote into the photo, where the request does not say it."""
    (pose,) = true_north([read_pose(upload)])
    found: dict[str, float] = {}
    if about.heading is None and np.isfinite(pose.heading):
        found["heading"] = pose.heading
    if about.lat is None and about.x is None and np.isfinite(pose.lat):
        found |= {"lat": pose.lat, "lon": pose.lon}
        if np.isfinite(pose.accuracy):
            found["accuracy"] = pose.accuracy
    return about.model_copy(update=found)


def opened(scenes: Sequence[Prepared]) -> dict[str, Prepared]:
    """Scenes by name, without the local features that nobody has of an unknown photo."""
    for found in scenes:
        if found.scene.local is not None:
            found.scene = replace(found.scene, local=None)
    return {found.scene.name: found for found in scenes}
