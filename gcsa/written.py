"""Values of settings as they are written: what a value is, the type of its setting says.

YAML decides before anybody knows that a name is wanted: to it 010 is 8, no is false, 1_1_1 is 111.
So scalars are kept as written, and text settings take them literally.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

from gcsa.errors import InputError
from gcsa.files import reading

# Brackets of a file, and settings that "<<" may bring together in one place.
MOST_BRACKETS = MOST_MERGED = 1000
NULLS = ("", "~", "null", "Null", "NULL")
QUOTED = r""""[^"]*"|'[^']*'"""
ITEM = rf"""\s*({QUOTED}|[^\s,"'\[\]][^,\[\]]*?)\s*"""

# YAML's types that are read, and what refuses all others.
TAGS = (*(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map", "null")), None)


class _AsWritten(yaml.SafeLoader):
    """YAML whose scalars are text; but no value at all is None, and "<<" merges.

    Other types (``!!timestamp``, ``!!python/...``) are unknown to it.
    """

    yaml_constructors = {tag: yaml.SafeLoader.yaml_constructors[tag] for tag in TAGS}
    yaml_implicit_resolvers = {
        first: yaml.SafeLoader.yaml_implicit_resolvers[first] for first in ("", "<")
    }

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST_MERGED:
            problem = f"more than {MOST_MERGED} entries, with those that '<<' brings"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            double = [key for key, count in Counter(keys).items() if count > 1]
            if double:
                problem = f"found key '{double[0]}' twice"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Nested dicts and lists of text, {} of an empty file; InputError where it is not YAML."""
    with reading(path, "YAML"):
        text = path.read_text(encoding="utf-8-sig")
        check_brackets(text)
        # _AsWritten is a SafeLoader: it makes no objects.
        content = yaml.load(text, Loader=_AsWritten)
    return {} if content is None else content


def check_brackets(text: str) -> None:
    """ValueError where YAML has very many lists: within each other they take it minutes."""
    count = text.count("[") + text.count("{")
    if count > MOST_BRACKETS:
        raise ValueError(f"{count} brackets are opened, at most {MOST_BRACKETS} are read")


def from_command_line(text: str, kind: Any) -> Any:
    """What stands behind the "=", for a setting of the type ``kind``: text, or a list of texts.

    A pair of quotes around a text or an item is taken off; whatever else it holds stays.
    """
    if get_origin(kind) is list and text in NULLS:
        return None
    if get_origin(kind) is list and text.startswith("["):
        return _items(text)
    return _unquoted(text)


def typed(value: Any, kind: Any, where: str) -> Any:
    """A written value for a setting of the type ``kind``, as OmegaConf converts it further.

    where: the file and the setting, for the InputError at what is not taken literally.
    """
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, list | dict) for item in items):
        raise InputError(f"{where}: expected a value or a list of values, without others inside")
    refuse_references(value, where)
    if isinstance(value, str) and type(None) in get_args(kind) and value in NULLS:
        return None
    if isinstance(value, str) and float in (kind, *get_args(kind)):
        return re.sub(r"^([+-]?)\.(nan|inf)$", r"\1\2", value, flags=re.IGNORECASE)
    return value


def refuse_references(value: Any, where: str) -> None:
    """InputError at a text, however deep, that a library would fill in: ``${...}`` or ``???``.

    A file of somebody else could read the environment that way.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            refuse_references(inner, f"{where}: {key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            refuse_references(inner, where)
    elif isinstance(value, str) and ("${" in value or value == "???"):
        raise InputError(f"{where}: '{value}': expected a plain value, nothing is filled in")


def _items(text: str) -> list[str]:
    inner = text[1:-1].strip()
    if not text.endswith("]") or not re.fullmatch(rf"({ITEM},)*({ITEM})?", inner):
        raise InputError("the value is not YAML (lists: [a,b], without spaces or in quotes)")
    return [_unquoted(item) for item in re.findall(rf"{ITEM}(?:,|$)", inner)]


def _unquoted(text: str) -> str:
    return text[1:-1] if re.fullmatch(QUOTED, text) else text
