"""The body of a request, all of it in memory and counted: JSON, a photo, or a form with both.

Forms are read here and not by python-multipart: with it FastAPI bounds the number of the parts and
the fields, but not the files, which it spools to the disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gcsa.errors import InputError

PARTS, PART_HEADERS = 4, 2048  # of a form: how many, and the bytes before the content of one
KINDS = ("application/json", "multipart/form-data", "image/...")
# RFC 2046, 5.1.1.
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
FIELD = re.compile(rb'(?i)^content-disposition:\s*form-data;\s*name="?(\w{1,20})"?', re.M)


class UnknownKindError(InputError):
    """A body of a kind that nobody reads."""


@dataclass(frozen=True)
class Sent:
    """What a body holds: the fields as JSON, and a photo or none."""

    about: bytes
    photo: bytes | None


def sent(kind: str, body: bytes) -> Sent:
    """A body by its Content-Type; InputError where it is not what that says."""
    name, _, parameters = kind.partition(";")
    name = name.strip().lower()
    if name == "application/json":
        return Sent(body, None)
    if name.startswith("image/"):
        return Sent(b"{}", body)
    if name == "multipart/form-data":
        return _form(body, _boundary(parameters))
    raise UnknownKindError(f"Content-Type: expected {', '.join(KINDS)}")


def _boundary(parameters: str) -> bytes:
    found = re.search(r'(?i)(?:^|;)\s*boundary=("?)([^";]+)\1\s*(?:;|$)', parameters)
    if found is None or BOUNDARY.fullmatch(found[2]) is None:
        raise InputError("Content-Type: expected a boundary of 1 to 70 characters")
    return found[2].encode("ascii")


def _form(body: bytes, boundary: bytes) -> Sent:
    """The fields ``photo`` and ``about`` of a form (RFC 7578)."""
    limit = b"\r\n--" + boundary
    # As the first boundary stands at the beginning, or behind a preamble that nobody reads.
    pieces = (b"\r\n" + body).split(limit, PARTS + 1)
    if len(pieces) < 3 or pieces[-1].lstrip(b" \t")[:2] != b"--":
        raise InputError(f"form: expected 1 to {PARTS} parts, each ended by the boundary")
    fields: dict[str, bytes] = {}
    for piece in pieces[1:-1]:
        name, content = _part(piece)
        if name in fields or name not in ("photo", "about"):
            raise InputError("form: expected the fields photo and about, each at most once")
        fields[name] = content
    return Sent(fields.get("about", b"{}"), fields.get("photo"))


def _part(piece: bytes) -> tuple[str, bytes]:
    """Name and content of what stands between two boundaries."""
    end = piece.find(b"\r\n\r\n", 0, PART_HEADERS)
    found = None if end < 0 else FIELD.search(piece[:end])
    if found is None:
        raise InputError("form: a part without the header Content-Disposition: form-data; name=...")
    return found[1].decode("ascii"), piece[end + 4 :]
