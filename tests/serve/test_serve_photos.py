"""gcsa serve describes photos as the database's were, and refuses what is none."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from serving import ask, ended, same

from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.locate.folders import of_folder
from gcsa.photos import photos
from gcsa.serve.command import Bounds, service


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Twenty-four photos 20 m apart, and three others of such places; what gcsa photos wrote."""
    root = tmp_path_factory.mktemp("album")
    lines = ["name,lat,lon"]
    for folder, seeds in (("known", range(24)), ("asked", (3, 11, 20))):
        (root / folder).mkdir()
        for seed in seeds:
            small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
            size = (96, 72) if seed % 2 else (80, 96)
            whole = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
            whole.save(root / folder / f"{seed:02d}.jpg", quality=95 if folder == "known" else 80)
            if folder == "known":
                lines.append(f"{seed:02d}.jpg,55.698,{13.195 + seed * 20 / 62_800:.7f}")
    (root / "known" / "images.csv").write_text("\n".join(lines) + "\n")
    photos(root / "known", root / "asked", root / "out", overrides=["train.device=cpu"])
    return root


def test_photos_are_answered_as_gcsa_photos_does(album):
    config = of_folder(load_config(None, ["train.device=cpu"]), album / "out")
    made = service(config, "val", None, Bounds())
    features = json.loads((album / "out" / "where.geojson").read_text())["features"]
    bodies = [(album / "asked" / f"{seed}.jpg").read_bytes() for seed in ("03", "11", "20")]
    raw = [{"content": body, "headers": {"content-type": "image/jpeg"}} for body in bodies]
    forms = [{"files": {"photo": body}, "data": {"about": '{"num": 5}'}} for body in bodies]
    for answers in (ask(made, *raw), ask(made, *forms), ask(made, raw[0])):
        for answer, feature in zip(answers, features, strict=False):
            assert answer.status_code == 200, answer.text
            same(answer.json(), feature)
    name = {"scene": "out", "image": features[0]["properties"]["best"][0]["name"]}
    (thumbnail,) = ask(made, {"method": "GET", "url": "/thumbnail", "params": name})
    assert Image.open(io.BytesIO(thumbnail.content)).size in ((96, 72), (80, 96))
    broken = [
        {"content": body, "headers": {"content-type": "image/jpeg"}}
        for body in (bodies[0][: len(bodies[0]) // 2], b"GIF89a", b"", b"\xff\xd8\xff\xe0")
    ]
    for answer in ask(made, *broken, *raw)[:4]:
        assert answer.status_code == 400 and answer.json()["error"].startswith("photo: ")
        assert str(album) not in answer.text and " at 0x" not in answer.text
    ended(made)


def test_photos_need_the_network_of_the_database(album, caplog):
    caplog.set_level("INFO")
    config = of_folder(load_config(None, ["train.device=cpu"]), album / "out")
    with pytest.raises(InputError, match="no.pth: no such file"):
        service(config, "val", album / "no.pth", Bounds())
    kept = album / "out" / "descriptors.whitening.npz"
    kept.rename(album / "gone.npz")
    try:
        made = service(config, "val", None, Bounds())
        ended(made)
    finally:
        (album / "gone.npz").rename(kept)
    assert made.answering.describer is None and "is not beside it; descriptors are" in caplog.text
