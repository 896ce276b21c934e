"""Files made wrong: bytes, text, pickles by their opcodes, zip archives by their members."""

from __future__ import annotations

import hashlib
import io
import pickletools
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from random import Random

from gcsa.descriptors import packfile

Mutation = Callable[[bytes, Random], bytes]

EXTREMES = (0, 1, -1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62,
            2**63, 2**64 - 1)  # fmt: skip
MAGIC = (b"\x89HDF\r\n\x1a\n", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\xff\xd8\xff\xe0", b"II*\x00",
         b"\x89PNG\r\n\x1a\n", b"\x80\x04", b"\xef\xbb\xbf", b"\xff\xfe", b"%PDF", b"\x1f\x8b",
         b"<!DOCTYPE html>\n", b"\x00" * 16)  # fmt: skip
TOKENS = ("", "nan", "-nan", "inf", "-inf", "1e999", "-1e999", "1e308", "5e-324", "9" * 30,
          "9" * 5000, "-1", "0", "-0.0", "1.5", "1_000", "0x10", "\u0663", "\u00e9", "\ufeff",
          "\x00", "\x85", "\u2028", '"', "'", '"a', ",", ";", "\t", "\r", "#", "[", "{", "}",
          "[" * 5000, "{a: " * 500, "null", "~", "true", "${oc.env:HOME}", "???", "!!int x",
          "&a [*a]", "<<: 3", "../../x", "a" * 5000, "-", "1;5", "1,5", "+1", " ",
          "18446744073709551616", "-9223372036854775809", "2020-13-45", "\ud7ff")  # fmt: skip


def flip(data: bytes, random: Random) -> bytes:
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        if found:
            found[random.randrange(len(found))] ^= 1 << random.randrange(8)
    return bytes(found)


def _span(data: bytes, random: Random) -> tuple[int, int]:
    begin = random.randrange(len(data) + 1)
    return begin, min(len(data), begin + random.choice((1, 2, 4, 8, 64, 1024)))


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def cut_out(data: bytes, random: Random) -> bytes:
    begin, end = _span(data, random)
    return data[:begin] + data[end:]


def repeat(data: bytes, random: Random) -> bytes:
    begin, end = _span(data, random)
    return data[:end] + data[begin:end] * random.choice((1, 2, 100)) + data[end:]


def swap(data: bytes, random: Random) -> bytes:
    (a, b), (c, d) = sorted((_span(data, random), _span(data, random)))
    return data if b > c else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def noise(data: bytes, random: Random) -> bytes:
    begin, end = _span(data, random)
    return data[:begin] + random.randbytes(end - begin) + data[end:]


def number(data: bytes, random: Random) -> bytes:
    """A length, an offset or a count that is far out."""
    size = random.choice((1, 2, 4, 8))
    value = random.choice(EXTREMES) % (1 << 8 * size)
    text = value.to_bytes(size, random.choice(("little", "big")))
    place = random.randrange(max(1, len(data) - size + 1))
    return data[:place] + text + data[place + size :]


def magic(data: bytes, random: Random) -> bytes:
    head = random.choice(MAGIC)
    return head + data[random.choice((0, len(head))) :]


BYTES: tuple[Mutation, ...] = (
    flip, flip, truncate, cut_out, repeat, swap, noise, number, number, number, magic,
)  # fmt: skip


def of_bytes(data: bytes, random: Random) -> bytes:
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice(BYTES)(data, random)
    return data


def _token(text: str, random: Random) -> str:
    found = list(re.finditer(r"[^\s,;:\[\]{}]+|[,;:\[\]{}]", text))
    if not found:
        return random.choice(TOKENS)
    at = random.choice(found)
    return text[: at.start()] + random.choice(TOKENS) + text[at.end() :]


def _lines(text: str, random: Random) -> str:
    lines = text.split("\n")
    i, j = random.randrange(len(lines)), random.randrange(len(lines))
    how = random.randrange(5)
    if how == 0:
        lines[i], lines[j] = lines[j], lines[i]
    elif how == 1:
        lines.insert(i, lines[j])
    elif how == 2:
        del lines[i]
    elif how == 3:
        lines.insert(i, random.choice(("", " ", "#", ",,,,", "\t")))
    else:
        return random.choice(("\r\n", "\r", " ", "\n\n")).join(lines)
    return "\n".join(lines)


def of_text(data: bytes, random: Random) -> bytes:
    """Tokens and lines; of five, one as bytes."""
    if random.randrange(5) == 0:
        return of_bytes(data, random)
    text = data.decode("utf-8", "replace")
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        text = random.choice((_token, _token, _lines))(text, random)
    return text.encode(
        random.choice(("utf-8",) * 8 + ("latin-1", "utf-16", "utf-8-sig")), "replace"
    )


GLOBALS = ("numpy\ndtype", "numpy\nndarray", "numpy.core.multiarray\n_reconstruct",
           "numpy.core.multiarray\nscalar", "numpy.core.numeric\n_frombuffer", "_codecs\nencode",
           "collections\nOrderedDict", "builtins\nset", "builtins\nfrozenset", "builtins\nbytes",
           "builtins\nbytearray", "builtins\ncomplex", "os\nsystem", "builtins\neval",
           "torch._utils\n_rebuild_tensor_v2", "sklearn.decomposition.pca\nPCA")  # fmt: skip


def _opcode(random: Random) -> bytes:
    """One opcode with an argument of its kind."""
    code = random.choice(pickletools.opcodes)
    head, size = code.code.encode("latin1"), 0 if code.arg is None else code.arg.n
    if code.name == "GLOBAL":
        return head + random.choice(GLOBALS).encode() + b"\n"
    if size == pickletools.UP_TO_NEWLINE:
        return head + random.choice((b"1", b"-5", b"1.5", b"'a'", b"0", b"x", b"9" * 50)) + b"\n"
    if size >= 0:
        return head + random.choice((bytes(size), b"\x01" + bytes(size)[1:], b"\xff" * size))[:size]
    form = {-2: "<B", -3: "<i", -4: "<I", -5: "<Q"}[size]
    text = random.choice((b"", b"a", b"f4", b"latin1", b"<", bytes(64)))
    length = random.choice((len(text),) * 6 + (2**31 - 1, 100))
    return head + struct.pack(form, min(length, 255) if form == "<B" else length) + text


def _operations(data: bytes) -> list[bytes]:
    """A pickle cut into its opcodes with their arguments."""
    places = []
    try:
        places = [place for _, _, place in pickletools.genops(data)]
    except Exception:  # wrong already; what was read so far
        pass
    places = places or [0]
    return [data[a:b] for a, b in zip(places, [*places[1:], len(data)], strict=True)]


def of_pickle(data: bytes, random: Random) -> bytes:
    """Opcodes left out, doubled, exchanged and put in; of three, one as bytes."""
    if random.randrange(3) == 0:
        return of_bytes(data, random)
    parts = _operations(data)
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        i, j = random.randrange(len(parts)), random.randrange(len(parts))
        how = random.randrange(5)
        if how == 0:
            parts[i], parts[j] = parts[j], parts[i]
        elif how == 1:
            parts.insert(i, parts[j])
        elif how == 2 and len(parts) > 1:
            del parts[i]
        else:
            parts.insert(i, _opcode(random))
    if random.randrange(10) == 0:
        parts = [b"\x80\x04", *(_opcode(random) for _ in range(random.randrange(40)))]
    return b"".join(parts) + random.choice((b"", b"."))


def of_zip(data: bytes, random: Random) -> bytes:
    """A member made wrong within an archive that is whole; of three, one as bytes."""
    if random.randrange(3) == 0:
        return of_bytes(data, random)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    i = random.randrange(len(members))
    name, content = members[i]
    how = random.randrange(8)
    if how == 0:
        members[i] = random.choice((name[:-1] + "_", "../" + name, name + ".npy", "x")), content
    elif how == 1:
        del members[i]
    elif how == 2:
        members.append(members[i])
    elif how == 3:
        members[i] = name, random.choice(members)[1]
    else:
        inner = of_pickle if name.endswith(".pkl") else of_text if name[-4:] == "json" else of_head
        members[i] = name, inner(content, random)
    made = io.BytesIO()
    packing = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", packing) as archive:
        warnings.simplefilter("ignore")  # a name twice
        for member in members:
            archive.writestr(*member)
    return made.getvalue()


def of_head(data: bytes, random: Random) -> bytes:
    """The head of a NumPy file, its text by tokens; else as bytes."""
    if random.randrange(2) or b"\n" not in data[:300]:
        return of_bytes(data, random)
    end = data.index(b"\n")
    kinds = ("<f4", ">f8", "|O", "<U9", "|S99999999", "<i8", "|b1", "<c16", "<M8[s]", "|V8", "f")
    head = data[10:end].decode("latin1").rstrip()
    head = random.choice(
        (
            _token(head, random),
            re.sub(r"'descr': '[^']*'", f"'descr': '{random.choice(kinds)}'", head),
            re.sub(r"\(.*\)", f"({random.choice(EXTREMES)}, {random.choice(EXTREMES)})", head),
            head.replace("False", "True"),
        )
    )
    text = head.encode("utf-8", "replace") + b"\n"
    return data[:8] + struct.pack("<H", len(text) % 65536) + text + data[end + 1 :]


def of_pickles(data: bytes, random: Random) -> bytes:
    """One of the pickles that follow each other in a file, or what comes after them."""
    file, cuts = io.BytesIO(data), [0]
    try:
        while True:
            for _ in pickletools.genops(file):
                pass
            cuts.append(file.tell())
    except Exception:  # no further pickle
        pass
    i = random.randrange(len(cuts))
    begin, end = cuts[i], ([*cuts, len(data)])[i + 1]
    mutation = of_pickle if i + 1 < len(cuts) else of_bytes
    return data[:begin] + mutation(data[begin:end], random) + data[end:]


def of_mat(data: bytes, random: Random) -> bytes:
    """A MATLAB file of one variable, which may be packed afterwards."""
    if random.randrange(4) == 0:
        return of_bytes(data, random)
    body = of_bytes(data[128:], random)
    if random.randrange(2):
        body = zlib.compress(body)
        body = struct.pack("<II", 15, len(body)) + body
    return data[:128] + body


def of_pack(data: bytes, random: Random) -> bytes:
    """The array's head, the names or the record, with lengths and hash that fit; or bytes."""
    if random.randrange(4) == 0:
        return of_bytes(data, random)
    end = len(data) - packfile.END.size
    listed, about, _, magic = packfile.END.unpack(data[end:])
    parts = [data[: end - listed - about], data[end - listed - about : end - about]]
    parts.append(data[end - about : end])
    i = random.choice((0, 1, 1, 2, 2, 2))
    parts[i] = (of_head, of_bytes, of_text)[i](parts[i], random)
    array, names, record = parts
    digest = hashlib.blake2b(names + record, digest_size=packfile.HASH).digest()
    return array + names + record + packfile.END.pack(len(names), len(record), digest, magic)


def of_png(data: bytes, random: Random) -> bytes:
    """A chunk of a PNG, with a check that fits, pixels before they are packed; or bytes."""
    if random.randrange(4) == 0:
        return of_bytes(data, random)
    chunks, place = [], 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    i = random.randrange(len(chunks))
    kind, content = chunks[i]
    if kind == b"IDAT" and random.randrange(2):
        content = zlib.compress(of_bytes(zlib.decompress(content), random))
    else:
        content = of_bytes(content, random)
    chunks[i] = kind, content
    return data[:8] + b"".join(
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )  # fmt: skip
