"""Where image files lie, how they are read, and what is said of the images of a list."""

import base64
import io

import numpy as np
import pytest
from captures import write_query_session
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from worlds import write_city

from gcsa.datasets.images import image_path
from gcsa.datasets.msls import read_scene
from gcsa.datasets.settings import DataConfig
from gcsa.errors import InputError
from gcsa.evaluation.truth import Truth
from gcsa.imaging import jpeg_base64, letterbox, read_image, read_rgb
from gcsa.plots.pictures import query_pose, top
from gcsa.ranking.lists import Ranking
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.fov import FovConfig


def test_paths_of_msls_are_those_of_the_files(tmp_path):
    for city, split in (("cph", "train_val"), ("miami", "test")):
        write_city(tmp_path, city, split, np.random.default_rng(1), database=3, queries=2)
        scene, _ = read_scene(tmp_path / "datasets" / "msls", city)
        name = str(scene.queries.names[1])
        file = tmp_path / "datasets" / "msls" / split / city / name
        file.touch()
        data = DataConfig(root=str(tmp_path / "datasets"))
        assert image_path(data, city, name) == file
    assert not image_path(DataConfig(root=str(tmp_path)), "nowhere", "a.jpg").exists()


def test_paths_of_lamar_and_of_unknown_data_sets(tmp_path):
    folder = tmp_path / "lamar" / "CAB" / "sessions" / "query_val_phone"
    names = write_query_session(folder, "phone", np.random.default_rng(0), 4, True)
    data = DataConfig(dataset="lamar", root=str(tmp_path))
    for name in names:
        path = image_path(data, "CAB", f"sessions/query_val_phone/raw_data/{name}")
        assert path == folder / "raw_data" / name
    own = DataConfig(dataset="folder", root=str(tmp_path))
    assert image_path(own, "lund", "images/01.jpg") == tmp_path / "lund" / "images" / "01.jpg"
    with pytest.raises(InputError, match="did you mean 'lamar'"):
        image_path(DataConfig(dataset="lamarr"), "CAB", "a.jpg")


def test_images_are_read_upright_small_and_in_rgb(tmp_path):
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[:, :40] = 255, 0, 0  # left half red
    tags = Image.Exif()
    tags[0x0112] = 6  # to be shown a quarter turn clockwise: red goes up
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=tags, quality=100)
    Image.fromarray(pixels[:, :, 0]).save(tmp_path / "grey.png")
    upright = np.asarray(read_image(tmp_path / "turned.jpg"), dtype=int)
    assert upright.shape == (80, 40, 3) and upright[10, 20, 0] > 200 > 60 > upright[70, 20, 0]
    assert read_image(tmp_path / "turned.jpg", 20).size == (10, 20)
    assert read_image(tmp_path / "turned.jpg", 500).size == (40, 80)  # never enlarged
    assert read_image(tmp_path / "grey.png").mode == "RGB"


def test_what_cannot_be_read_is_none(tmp_path):
    Image.new("RGB", (50, 50)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:300])
    (tmp_path / "text.jpg").write_text("no image")
    for name in ("cut.jpg", "text.jpg", "absent.jpg", "."):
        assert read_image(tmp_path / name) is None


@pytest.mark.parametrize("name", ["a.png", "a.tif", "big-endian.tif", "I.tif"])
def test_16_bits_are_what_8_bits_are(tmp_path, name):
    eight = (np.arange(1600).reshape(40, 40) * 255 // 1599).astype(np.uint8)
    values = eight.astype(np.uint16) * 257  # as image programs widen: 255 becomes 65535
    kind = {"big-endian.tif": ">u2", "I.tif": np.int32}.get(name, np.uint16)
    Image.fromarray(values.astype(kind)).save(tmp_path / name)
    assert Image.open(tmp_path / name).mode.startswith("I")
    found, size = read_rgb(tmp_path / name)
    assert size == (40, 40)
    np.testing.assert_array_equal(np.asarray(found), np.repeat(eight[:, :, None], 3, axis=2))


def test_16_bits_are_turned_upright(tmp_path):
    values, tags = np.zeros((40, 80), dtype=np.uint16), Image.Exif()
    values[:, :40], tags[0x0112] = 65535, 6  # the left half white, to be turned clockwise
    Image.fromarray(values).save(tmp_path / "turned.png", exif=tags)
    upright, size = read_rgb(tmp_path / "turned.png")
    assert size == (80, 40) and upright.size == (40, 80)
    assert upright.getpixel((5, 5)) == (255, 255, 255) and upright.getpixel((5, 75)) == (0, 0, 0)


@pytest.mark.parametrize("mode", ["P", "CMYK", "RGBA", "LA", "1", "L"])
def test_other_modes_are_rgb(tmp_path, mode):
    """Red beside blue, or white beside black; transparent parts keep their colour."""
    colour = Image.new("RGB", (40, 40), (255, 0, 0))
    colour.paste((0, 0, 255), (20, 0, 40, 40))
    picture = colour.convert("L").point(lambda v: 255 * (v > 50)) if mode in "LA1" else colour
    picture = picture.convert(mode)
    if mode.endswith("A"):
        picture.putalpha(Image.new("L", (40, 40), 0))
    picture.save(tmp_path / "a.tif")
    assert Image.open(tmp_path / "a.tif").mode == mode
    found, _ = read_rgb(tmp_path / "a.tif")
    left, right = found.getpixel((5, 5)), found.getpixel((35, 5))
    assert (left, right) == (
        ((255,) * 3, (0,) * 3) if mode in "LA1" else ((255, 0, 0), (0, 0, 255))
    )


@pytest.mark.parametrize("values", [np.float32([[0, 0.5]]), np.int32([[0, 70000]])])
def test_without_a_known_white_it_is_refused(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a.tif: . pixels from 0 to .*; expected 8 or 16 bits"):
        read_rgb(tmp_path / "a.tif")


def test_a_picture_that_is_too_large_is_refused_and_the_limit_can_be_raised(tmp_path, monkeypatch):
    """Small in the file: 12,000 by 9,000 pixels, all black."""
    Image.new("1", (12_000, 9_000)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="a.png: 108000000 pixels .*at most 100000000.*GCSA_MAX_P"):
        read_rgb(tmp_path / "a.png")
    monkeypatch.setenv("GCSA_MAX_PIXELS", "99")
    Image.new("1", (10, 10)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="b.png: 100 pixels"):
        read_rgb(tmp_path / "b.png")
    monkeypatch.setenv("GCSA_MAX_PIXELS", "100")
    assert read_rgb(tmp_path / "b.png")[0].size == (10, 10)
    monkeypatch.setenv("GCSA_MAX_PIXELS", "many")
    with pytest.raises(InputError, match="GCSA_MAX_PIXELS: 'many' in the environment"):
        read_rgb(tmp_path / "b.png")


def test_a_large_jpeg_is_decoded_at_a_fraction(tmp_path, monkeypatch):
    monkeypatch.setenv("GCSA_MAX_PIXELS", "10000")
    Image.new("L", (400, 400), 77).save(tmp_path / "a.jpg")
    image, size = read_rgb(tmp_path / "a.jpg", draft=(50, 50))
    assert size == (400, 400) and image.size == (50, 50)


@given(st.integers(1, 400), st.integers(1, 400))
def test_letterbox_keeps_all_of_the_image_and_its_shape(width, height):
    box = np.asarray(letterbox(Image.new("RGB", (width, height), "red"), (60, 40), "blue"))
    assert box.shape == (40, 60, 3)
    rows, columns = np.nonzero(box[:, :, 0] > 128)
    tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert tall == 40 or wide == 60  # as large as fits
    scale = min(60 / width, 40 / height)
    assert abs(tall - height * scale) <= 1 and abs(wide - width * scale) <= 1
    assert abs((rows.min() + rows.max() + 1) / 2 - 20) <= 0.5  # in the middle
    assert abs((columns.min() + columns.max() + 1) / 2 - 30) <= 0.5


def test_jpeg_text_decodes_to_the_image():
    data = base64.b64decode(jpeg_base64(Image.new("RGB", (12, 7), (10, 200, 30))))
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG" and image.size == (12, 7)
    assert np.abs(np.asarray(image, dtype=int) - [10, 200, 30]).max() <= 4


def little_scene(axes: int) -> tuple[Scene, Truth]:
    random = np.random.default_rng(3)
    positions = random.uniform(-60, 60, (6, axes))
    positions[4] = np.nan
    database = ImageSet(np.array([f"d{i}" for i in range(6)]), positions=positions)
    scene = Scene("s", database, ImageSet(np.array(["q0", "q1"])))
    return scene, Truth(random.uniform(-60, 60, (2, axes)), np.array([1.0, np.nan]))


@pytest.mark.parametrize("axes", [2, 3])
def test_top_by_definition(axes):
    scene, truth = little_scene(axes)
    indices = np.array([[3, 0, 4, 1, 2], [5, 2, -1, -1, -1]])
    scores = np.array([[5, 4, 3, 2, 1], [2, 1, -np.inf, -np.inf, -np.inf]], dtype=np.float32)
    shown = top(scene, truth, Ranking(indices, scores), "dist", FovConfig(), num=4)
    assert shown.indices.shape == shown.scores.shape == (2, 4)
    for q in range(2):
        for place in range(4):
            row = indices[q, place]
            offset = scene.database.positions[row] - truth.positions[q]
            distance = np.sqrt(sum(o * o for o in offset)) if row >= 0 else np.nan
            assert shown.distances[q, place] == pytest.approx(distance, nan_ok=True)
            relevant = row >= 0 and np.hypot(*offset[:2]) <= 25
            assert shown.relevant[q, place] == relevant


def test_top_without_truth_knows_neither_relevance_nor_distance():
    scene, _ = little_scene(2)
    shown = top(scene, None, Ranking(np.array([[0], [1]]), np.ones((2, 1))), "dist", FovConfig())
    assert shown.relevant is None and np.isnan(shown.distances).all()


def test_pose_of_a_query_is_the_true_one_else_its_own_else_unknown():
    scene, truth = little_scene(3)
    place, heading = query_pose(scene, truth, 0)
    assert place.tolist() == truth.positions[0, :2].tolist() and heading == 1.0
    place, heading = query_pose(scene, None, 1)
    assert np.isnan(place).all() and np.isnan(heading)
    known = ImageSet(np.array(["q"]), positions=np.ones((1, 2)), headings=np.array([2.0]))
    place, heading = query_pose(Scene("s", scene.database, known), None, 0)
    assert place.tolist() == [1, 1] and heading == 2.0
