"""The page of the service: one HTML file with style and script inside, from no other server."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from string import Template

from gcsa.locate.page import shared


@dataclass(frozen=True)
class Page:
    """html: the text. policy: of its Content-Security-Policy, which allows what it holds alone."""

    html: str
    policy: str


def page() -> Page:
    """The page, put together of its files and those that it shares with ``gcsa locate``."""
    style, script = shared("map.css") + _own("page.css"), shared("map.js") + _own("page.js")
    html = Template(_own("page.html")).substitute(style=style, script=script)
    policy = (
        "default-src 'none'; connect-src 'self'; img-src blob: data:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(html, policy)


def _own(name: str) -> str:
    return resources.files("gcsa.serve").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
