"""What strangers send: forms, JSON, photos; whatever it is, an answer or one line."""

import base64
import io
import json
import struct
import sys
import zlib
from random import Random

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import ROOT
from PIL import Image

from gcsa.errors import InputError
from gcsa.imaging import read_rgb
from gcsa.serve.bodies import UnknownKindError, sent
from gcsa.serve.describing import FORMATS
from gcsa.serve.questions import DEPTH, about_of, descriptor_of
from gcsa.serve.uploads import SCANS, SEGMENTS, PhotoLimits, Upload, check, scans

sys.path.insert(0, str(ROOT / "tests" / "fuzz"))

import mutations  # noqa: E402

FORM = "multipart/form-data; boundary=B"


def form(*parts, end=b"--B--\r\n"):
    head = b"--B\r\nContent-Disposition: form-data; name=%s\r\n\r\n%s\r\n"
    return b"".join(head % part for part in parts) + end


def test_kinds_of_bodies():
    assert sent("application/json; charset=utf-8", b"{}").about == b"{}"
    assert sent("image/jpeg", b"\xff\xd8").photo == b"\xff\xd8"
    photo = b"\xff\xd8\r\n\r\n--C--\r\n"
    found = sent(FORM, form((b'"photo"; filename="a.jpg"', photo), (b"about", b'{"num":3}')))
    assert (found.about, found.photo) == (b'{"num":3}', photo)
    for kind in ("", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        with pytest.raises(UnknownKindError, match="Content-Type: expected application/json"):
            sent(kind, b"{}")


def test_forms_as_httpx_sends_them():
    files, data = {"photo": ("ü.jpg", b"1")}, {"about": "{}"}
    request = httpx.Request("POST", "http://a/", files=files, data=data)
    found = sent(request.headers["content-type"], request.read())
    assert (found.about, found.photo) == (b"{}", b"1")


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("multipart/form-data", b"", "expected a boundary"),
        ("multipart/form-data; boundary=" + "b" * 71, b"", "1 to 70 characters"),
        ("multipart/form-data; boundary=a\tb", b"", "1 to 70 characters"),
        (FORM, b"", "1 to 4 parts"),
        (FORM, b"--B--\r\n", "1 to 4 parts"),
        (FORM, form((b"photo", b"1"), end=b""), "ended by the boundary"),
        (FORM, form(*[(b"photo", b"1")] * 5), "1 to 4 parts"),
        (FORM, form((b"photo", b"1"), (b"photo", b"2")), "each at most once"),
        (FORM, form((b"file", b"1")), "fields photo and about"),
        (FORM, b"--B\r\nA: b\r\n\r\n1\r\n--B--\r\n", "a part without the header"),
        (FORM, b"--B\r\nA: " + b"b" * 3000 + b"\r\n\r\n1\r\n--B--", "a part without the header"),
    ],
)
def test_forms_that_are_none(kind, body, said):
    with pytest.raises(InputError, match=said):
        sent(kind, body)


@given(st.binary(max_size=200))
def test_whatever_a_form_holds_it_is_read_or_refused(noise):
    for body in (noise, b"--B\r\n" + noise + b"\r\n--B--", form((b"photo", noise))):
        try:
            sent(FORM, body)
        except InputError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "JSON: Invalid JSON"),
        (b"[]", "JSON: "),
        (b'{"num":3', "JSON: Invalid JSON"),
        (b"\xff{}", "JSON: Invalid JSON"),
        (b'{"num": 0}', "num: .*greater than or equal to 1"),
        (b'{"num": 101}', "num: "),
        (b'{"num": "3"}', "num: .*valid integer"),
        (b'{"heading": NaN}', "heading: .*finite"),
        (b'{"heading": 1e999}', "heading: .*"),
        (b'{"heading": 721}', "heading: "),
        (b'{"accuracy": 0, "x": 1, "y": 1}', "accuracy: .*greater than 0"),
        (b'{"accuracy": 5}', "accuracy: of a position"),
        (b'{"lat": 5}', "lat and lon: only one"),
        (b'{"x": 5}', "x and y: only one"),
        (b'{"x": 1, "y": 1, "lat": 1, "lon": 1}', "lat, lon and x, y: only one position"),
        (b'{"x": 1e9, "y": 1}', "x: "),
        (b'{"sceen": "a"}', "sceen: Extra inputs"),
        (b'{"radio": [{"transmitter": "a", "rssi": 5}]}', "radio.0.rssi: "),
        (b'{"radio": [{"transmitter": "", "rssi": -5}]}', "radio.0.transmitter: "),
        (b'{"name": "' + b"a" * 201 + b'"}', "name: "),
        (b'{"radio": ' + b"[" * DEPTH + b"]" * DEPTH + b"}", "JSON: more than 4 arrays"),
        (b"[" * 100_000, "JSON: more than 4 arrays"),
        (b'{"radio": [' + b'{"transmitter":"a","rssi":-5},' * 2000
         + b'{"transmitter":"a","rssi":-5}]}', "radio: "),
    ],
)  # fmt: skip
def test_fields_that_are_none(text, said):
    with pytest.raises(InputError, match=f"^{said}"):
        about_of(text)


def test_brackets_in_strings_do_not_count():
    assert about_of(json.dumps({"name": '[[[[[[[["\\' * 9}).encode()).name.startswith("[[")


def test_descriptors():
    row = np.zeros(4)
    row[1] = 1
    assert descriptor_of(row.tolist(), 4).tolist() == row.tolist()
    text = base64.b64encode(row.astype("<f4").tobytes()).decode()
    assert descriptor_of(text, 4).tolist() == row.tolist()
    for wrong, said in (
        ([1.0, 0.0], "2 numbers, the database's have 4"),
        ([3.0, 0, 0, 0], "has length 3, expected 1"),
        ([0.0] * 4, "has length 0"),
        ("&", "not base64"),
        (text[:8], "6 bytes, expected 4 numbers"),
        (base64.b64encode(np.full(4, np.nan, "<f4").tobytes()).decode(), "has length nan"),
    ):
        with pytest.raises(InputError, match=said):
            descriptor_of(wrong, 4)


def picture(kind="JPEG", size=(64, 48), **more):
    noise = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind, **more)
    return file.getvalue()


def png_of(width, height):
    """A PNG that says it is of some size."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_photos_that_are_taken(kind):
    check(Upload(picture(kind)), PhotoLimits())


def test_scans_are_counted():
    base, progressive = picture(quality=90), picture(progressive=True)
    assert scans(base) == 1 and 5 < scans(progressive) < 15
    # The scan of a picture again and again, and what stands behind its end.
    at = base.rindex(b"\xff\xda")
    again = base[:at] + base[at:-2] * (SCANS + 1) + b"\xff\xd9"
    assert scans(again) == SCANS + 1
    assert scans(base + b"\xff\xda" * 500) == 1
    assert scans(b"\xff" * 100_000) == 0
    with pytest.raises(InputError, match=f"more than {SEGMENTS} segments"):
        scans(b"\xff\xd8" + b"\xff\xe0\x00\x02" * (SEGMENTS + 1))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "photo: "),
        (b"GIF89a" + b"\0" * 100, "photo: "),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "photo: "),
        (picture("BMP"), "photo: "),
        (picture("TIFF"), "photo: "),
        (picture("GIF"), "photo: "),
        (png_of(60_000, 10), "60000 x 10 pixels, at most 16384"),
        (png_of(16_000, 16_000), "256000000 pixels"),
        (png_of(8_000, 8_000), "64000000 pixels, at most 50000000"),
        (picture()[:30], "photo: "),
        (b"<html>" * 100, "photo: "),
    ],
)
def test_photos_that_are_none(data, said):
    with pytest.raises(InputError, match=said) as told:
        check(Upload(data), PhotoLimits())
    assert "0x" not in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_mutated_requests_are_read_or_refused(kind):
    about = json.dumps({"lat": 55.7, "lon": 13.19, "radio": [{"transmitter": "a", "rssi": -50}]})
    whole = form((b"about", about.encode()), (b'"photo"; filename="a"', picture(kind)))
    read = 0
    for number in range(100):
        data = mutations.of_bytes(whole, Random(number))
        try:
            found = sent(FORM, data)
            about_of(found.about)
            upload = Upload(found.photo or b"")
            check(upload, PhotoLimits())
            read_rgb(upload, formats=FORMATS)
            read += 1
        except InputError as error:
            assert "\n" not in str(error) and " at 0x" not in str(error)
    assert 0 < read < 100
