"""Which images an hloc HDF5 file has descriptors of.

hloc writes one group per image, named by the image's path, with a ``global_descriptor`` in it.
Links within the file count as what they lead to, as they do where h5py opens a name.
"""

from __future__ import annotations

import math
from pathlib import Path

import h5py

from gcsa.descriptors.objects import leads_away, readable
from gcsa.errors import InputError
from gcsa.files import limits

DATASET = "global_descriptor"
SUFFIX = f"/{DATASET}".encode()
# The limit of bytes of a name. It bounds the depth of groups as well: HDF5 itself walks down by
# recursion, and a file of some thousand levels would take more stack than a process has.
LONGEST_NAME = "GCSA_MAX_NAME"
# Objects found by way of links to groups: groups of links to groups of links grow without bound.
MOST_FOLLOWED = 1_000_000


def image_names(file: h5py.File, source: Path) -> tuple[list[str], list[str]]:
    """Names of the images that have a descriptor, and of those that have none.

    Sorted: hloc's own order is not repeatable. InputError where a link leads out of the file, and
    for a name that is too long, not UTF-8, or leads back to its own beginning.
    """
    links, soft = _links_below(file, b"", source)
    leaves, start, most = [], 0, len(links) + MOST_FOLLOWED
    while start < len(links):
        new = _leaves(links, start)
        start = len(links)
        for name in new:
            target = _open(file, name)
            if not isinstance(target, h5py.h5g.GroupID) or not target.get_num_objs():
                leaves.append((name, target))
                continue
            _refuse_circle(file, name, target, source)
            more, more_soft = _links_below(file, name, source, most - len(links))
            links += more
            soft += more_soft
    broken = {name for name in soft if name.endswith(SUFFIX) and _open(file, name) is None}
    found = {n[: -len(SUFFIX)] for n in links if n.endswith(SUFFIX) and n not in broken}
    lacking = {_image(name, target) for name, target in leaves} - found - {b""} if found else set()
    lacking |= {name[: -len(SUFFIX)] for name in broken}
    return sorted(_text(name, source) for name in found), sorted(map(readable, lacking))


def _links_below(
    file: h5py.File, prefix: bytes, source: Path, most: float = math.inf
) -> tuple[list[bytes], list[bytes]]:
    """Names of all links in a group and in the groups below it, and of the soft ones among them.

    HDF5's own visitor opens no object for Python, which is several times faster than h5py's
    visititems; it enters neither soft links nor a group that it has seen.
    """
    links: list[bytes] = []
    soft: list[bytes] = []
    group = h5py.h5g.open(file.id, prefix or b"/")
    hard_kind, soft_kind = h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT
    before = prefix + b"/" if prefix else b""
    longest = limits.most(LONGEST_NAME) - len(before)

    def see(name: bytes, info: h5py.h5l.LinkInfo) -> bytes | None:
        """Note a link; anything but None ends the visit. An exception must not leave through C."""
        kind = info.type
        if kind == soft_kind:
            soft.append(before + name)
        elif kind != hard_kind:
            return name
        links.append(before + name)
        return name if len(name) > longest or len(links) > most else None

    last = group.links.visit(see, info=True)
    if last is not None:
        raise _refused(source, group, before, last)
    return links, soft


def _refused(source: Path, group: h5py.h5g.GroupID, before: bytes, name: bytes) -> InputError:
    """The error about the link at which a visit ended."""
    whole = before + name
    limits.check(LONGEST_NAME, len(whole), f"{source}: '{readable(whole)}'")
    if group.links.get_info(name).type not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT):
        return leads_away(source, group, name, whole)
    return InputError(
        f"{source}: over {MOST_FOLLOWED} objects by way of links ('{readable(whole)}')"
    )


def _leaves(links: list[bytes], start: int) -> list[bytes]:
    """Of the links from ``start`` on those that may be an image without a descriptor, or a link
    to a group: no folders of others, no descriptors, nothing else that lies beside or below one.
    """
    new = links[start:]
    parents = [name.rpartition(b"/")[0] for name in new]
    folders = set(parents)
    found = {p for name, p in zip(new, parents, strict=True) if name.endswith(SUFFIX)}
    return [
        name
        for name, parent in zip(new, parents, strict=True)
        if not (
            name in folders or parent in found or name.endswith(SUFFIX) or parent.endswith(SUFFIX)
        )
    ]


def _image(name: bytes, target: object) -> bytes:
    """Which image a leaf is of: it is an empty or lost group, or it lies in the image's group."""
    lost = target is None or isinstance(target, h5py.h5g.GroupID)
    return name if lost else name.rpartition(b"/")[0]


def _open(file: h5py.File, name: bytes) -> object | None:
    """What a name leads to, None where to nothing. In a file whose links all stay in it."""
    try:
        return h5py.h5o.open(file.id, name)
    except (KeyError, OSError, RuntimeError):
        return None


def _refuse_circle(file: h5py.File, name: bytes, target: h5py.h5g.GroupID, source: Path) -> None:
    parts = name.split(b"/")
    above = [b"/".join(parts[:i]) for i in range(1, len(parts))]
    passed = {h5py.h5o.get_info(file.id, group).addr for group in [b"/", *above]}
    if h5py.h5o.get_info(target).addr in passed:
        raise InputError(f"{source}: link '{readable(name)}' leads back to a group that holds it")


def _text(name: bytes, source: Path) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: name '{readable(name)}' is not UTF-8 text") from error
