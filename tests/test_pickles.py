"""Pickles are read without running them."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from gcsa.errors import InputError, MissingFileError
from gcsa.files.pickles import Attributes, load
from gcsa.files.torch_files import load_torch

PROTOCOLS = range(6)
ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(4, dtype=">i4"),
    np.array(["a", "längst"]),
    np.array([b"x", b"yz"]),
    np.array([True, False]),
    np.array(2.5),
    np.empty((0, 5), dtype=np.float16),
    np.array([1 + 2j]),
]


def written(tmp_path, content, protocol=4):
    path = tmp_path / "file.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


PLAIN = {
    "list": [1, -(10**30), 2.5, None, True, 1j],
    "tuple": ("text", "längst", b"", b"bytes\xff", bytearray(b"more")),
    "sets": [{1, 2}, frozenset("ab"), set()],
    "ordered": collections.OrderedDict(b=1, a=2),
    (1, "key"): {},
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values(tmp_path, protocol):
    assert load(written(tmp_path, PLAIN, protocol)) == PLAIN


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("old_name", [False, True])
def test_arrays(tmp_path, protocol, old_name):
    content = {"arrays": ARRAYS, "pair": (ARRAYS[0], np.float32(0.1)), "type": np.dtype(">f8")}
    data = pickle.dumps(content, protocol)
    if old_name and protocol < 4:  # where names are lines
        data = data.replace(b"cnumpy._core.", b"cnumpy.core.")
    elif old_name:
        data = renamed(data, "numpy._core.", "numpy.core.")
    found = load(written(tmp_path, data))
    for array, expected in zip(found["arrays"], ARRAYS, strict=True):
        assert type(array) is np.ndarray and array.dtype == expected.dtype
        assert array.flags.f_contiguous == expected.flags.f_contiguous
        np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(found["pair"][0], ARRAYS[0])
    assert found["pair"][1] == np.float32(0.1) and isinstance(found["pair"][1], np.float32)
    assert found["type"] == np.dtype(">f8")


def renamed(data, old, new):
    """A pickle without frames, its short strings of ``old`` begun anew."""
    out, place = b"", 0
    data = data[:2] + data[11:] if data[2:3] == b"\x95" else data
    while (found := data.find(old.encode(), place)) >= 0:
        length = data[found - 1] + len(new) - len(old)
        out += data[place : found - 1] + bytes([length]) + new.encode()
        place = found + len(old)
    return out + data[place:]


def test_arrays_of_objects_and_shared_ones(tmp_path):
    inner = np.arange(3)
    objects = np.empty((2, 2), dtype=object)
    objects[:] = [[inner, "a"], [None, None]]
    objects[1, 0], objects[1, 1] = [1, inner], (2.0, inner)
    found, same = load(written(tmp_path, [objects, objects]))
    assert found is same and found.shape == (2, 2)
    np.testing.assert_array_equal(found[0, 0], inner)
    np.testing.assert_array_equal(found[1, 0][1], inner)
    assert found[1, 1][1] is found[0, 0] and found[0, 1] == "a"


def test_a_list_that_holds_itself(tmp_path):
    content = [np.arange(2)]
    content.append(content)
    found = load(written(tmp_path, content))
    assert found[1] is found and found[0].tolist() == [0, 1]


def python2(value):
    """Opcodes of protocol 2 as Python 2 wrote them: strings are bytes without a type."""
    if isinstance(value, bytes):
        return b"U" + bytes([len(value)]) + value
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(python2, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(python2(k) + python2(v) for k, v in value.items()) + b"u"
    # A little-endian float32 vector: _reconstruct(ndarray, (0,), 'b'), then its state.
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    kind = b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNN" + 2 * python2(-1) + b"K\x00tb"
    shape = b"K" + bytes([len(value)]) + b"\x85"
    return made + b"(K\x01" + shape + kind + b"\x89" + python2(value.tobytes()) + b"tb"


def test_python_2_pickles(tmp_path):
    values = np.array([0.5, -2.0, 1e-30], dtype="<f4")
    content = {b"imlist": [b"all_souls_000000", b"caf\xe9"], b"gnd": [{b"ok": [3, 7]}]}
    data = python2({**content, b"features": values})
    found = load(written(tmp_path, b"\x80\x02" + data + b"."))
    assert found["imlist"] == ["all_souls_000000", "café"] and found["gnd"] == [{"ok": [3, 7]}]
    np.testing.assert_array_equal(found["features"], values)


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("read", [load, load_torch])
def test_commands_are_refused_before_they_run(tmp_path, protocol, read):
    mark = tmp_path / "mark"
    for function, name in ((os.system, "posix.system"), (os.mkdir, "posix.mkdir")):
        path = written(tmp_path, {"a": [1, Call(function, str(mark))]}, protocol)
        with pytest.raises(InputError) as error:
            read(path)
        assert str(error.value) == f"{path}: refused, the pickle asks for {name}"
    pickle.loads(path.read_bytes())
    assert mark.is_dir(), "the pickle does nothing, so its refusal shows nothing"


@pytest.mark.parametrize(
    "content", [Call(eval, "1"), Call(getattr, 1, "real"), Call(np.load, "x"), Call(os.getenv, "x"),
                collections.Counter("aab"), np.ma.masked_array([1]), range(3)],
)  # fmt: skip
def test_whatever_is_not_on_the_list_is_refused(tmp_path, content):
    with pytest.raises(InputError, match="refused, the pickle asks for"):
        load(written(tmp_path, content))


def test_names_within_allowed_modules_are_no_way_round(tmp_path):
    for name in (b"ndarray.tofile", b"dtype.__class__", b"set.__class__", b"load"):
        data = b"\x80\x04\x8c\x05numpy\x8c" + bytes([len(name)]) + name + b"\x93."
        with pytest.raises(InputError, match="refused"):
            load(written(tmp_path, data))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps(np.zeros(2, dtype=[("a", "f8")]), 2), "refused, .* of type 'V8'"),
        (pickle.dumps(np.zeros(2, dtype="M8[s]"), 2), "refused, .* of type 'M8'"),
        (pickle.dumps(np.zeros(9, "f4"), 2).replace(b"K\t\x85", b"K\x7f\x85"), "damaged, an array"),
    ],
)  # fmt: skip
def test_arrays_that_are_not_plain_or_not_whole_are_refused(tmp_path, data, message):
    with pytest.raises(InputError, match=f"file.pkl: {message}"):
        load(written(tmp_path, data))


class Items:
    """Pickled as a type of items that NumPy takes to have a field far beyond their four bytes."""

    def __reduce__(self):
        fields = {"a": (np.dtype("f4"), 100)}
        return np.dtype, ("f4", False, True), (3, "<", None, ("a",), fields, -1, -1, 0)


def test_items_have_no_fields_beyond_their_bytes(tmp_path):
    path = written(tmp_path, Items())
    assert pickle.loads(path.read_bytes()).fields["a"][1] == 100
    assert load(path).fields is None and load(path) == np.float32


MEMO_1, MEMO_2 = b"q\x01", b"q\x02"
GROWING = b"\x80\x05\x96" + struct.pack("<Q", 64) + bytes(range(64)) + MEMO_1  # a bytearray
FLOATS = (
    b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
)
LAID_OVER = {
    "_frombuffer": b"cnumpy.core.numeric\n_frombuffer\n(h\x01" + FLOATS + b"K\x10\x85U\x01CtR",
    "state": b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01K\x10\x85" + FLOATS + b"\x89h\x01tb",
}  # fmt: skip
BACK = MEMO_2 + b"0h\x01h\x02\x86."  # (the bytearray, the array)
CHANGED = {
    "an item set": MEMO_2 + b"0h\x01K\x00K\x07s.",
    "items set": MEMO_2 + b"0h\x01(K\x00K\x07u.",
    "appended": MEMO_2 + b"0h\x01K\x05a.",
    "made longer": MEMO_2 + b"0h\x01(" + b"K\x05" * 100_000 + b"e.",
    "a state": MEMO_2 + b"0h\x01}b.",
}


@pytest.mark.parametrize("spelt", LAID_OVER)
def test_arrays_lie_over_no_memory_that_may_move(tmp_path, spelt):
    raw, array = load(written(tmp_path, GROWING + b"0" + LAID_OVER[spelt] + BACK))
    raw[:] = bytes(64)
    raw.extend(bytes(10**6))  # no BufferError either: nobody holds on to it
    assert array.tobytes() == bytes(range(64)) and array.dtype == np.float32


@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.parametrize("spelt", LAID_OVER)
def test_an_array_s_data_does_not_change_while_the_pickle_is_read(tmp_path, spelt, change):
    data = GROWING + b"0" + LAID_OVER[spelt] + CHANGED[change]
    with pytest.raises(InputError, match="refused, the pickle alters an object of type bytearray"):
        load(written(tmp_path, data))


def test_nothing_is_an_array_before_the_pickle_is_at_its_end(tmp_path):
    """BUILD upon an array would hand it to NumPy's own __setstate__, and indexing reads it."""
    state = MEMO_2 + b"0h\x02(K\x01K\x10\x85" + FLOATS + b"\x89h\x01tb."
    found = load(written(tmp_path, GROWING + b"0" + LAID_OVER["_frombuffer"] + state))
    assert found.tobytes() == bytes(range(64))
    data = b"0h\x01" + LAID_OVER["_frombuffer"] + b"K\x00K\x07s."
    with pytest.raises(InputError, match="refused, the pickle alters an object of type _Array"):
        load(written(tmp_path, GROWING + data))


def test_a_key_that_holds_one_twice_and_that_again_is_refused(tmp_path):
    """2 to the power of 40 parts in 180 bytes: hashing them would take hours."""
    nested = b")q\x01" + b"0h\x01h\x01\x86q\x01" * 40
    assert isinstance(load(written(tmp_path, b"\x80\x02" + nested + b".")), tuple)
    keys = {
        "SETITEM": b"}" + nested + b"Ns.",
        "SETITEMS": b"}(" + nested + b"Nu.",
        "DICT": b"(" + nested + b"Nd.",
        "ADDITEMS": b"\x8f(" + nested + b"\x90.",
        "FROZENSET": b"(" + nested + b"\x91.",
        "set": b"cbuiltins\nset\n](" + nested + b"e\x85R.",
        "frozenset": b"cbuiltins\nfrozenset\n](" + nested + b"e\x85R.",
        "OrderedDict": b"ccollections\nOrderedDict\n](" + nested + b"N\x86e\x85R.",
        "a frozenset in a tuple": b"}(" + nested + b"\x91\x85Ns.",
    }
    for key in keys:
        with pytest.raises(InputError, match="refused, the pickle has a key of more than 1000"):
            load(written(tmp_path, b"\x80\x04" + keys[key]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"cbuiltins\nbytes\nJ\xff\xff\xff\x7f\x85R.", "damaged, bytes of an object of type int"),
        (b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "damaged, bytes of an object of type"),
        (b"\x96" + struct.pack("<Q", 2**40) + b"abc.", "ends too early|more memory than"),
        (b"B\xff\xff\xff\x7fabc.", "it ends too early"),
        (b"N}K\x01K\x02s\x86b.", "expected a whole pickle"),
        (b"c_codecs\nencode\nN}\x86b.", "alters an object of type function"),
        (b"K\x01)R.", "refused, the pickle calls something of type int"),
        (b"\x82\x01.", "refused, the pickle asks for extension 1"),
    ],
)  # fmt: skip
def test_a_pickle_makes_no_more_than_it_holds(tmp_path, data, message):
    with pytest.raises(InputError, match=message):
        load(written(tmp_path, b"\x80\x05" + data))


def test_a_memo_of_four_billion_is_a_dict_of_one(tmp_path):
    """In C it was an array of so many pointers: 64 GB."""
    assert load(written(tmp_path, b"\x80\x02]r\xff\xff\xff\xff.")) == []


def test_one_text_is_not_encoded_a_thousand_times(tmp_path):
    text = b"X" + struct.pack("<i", 10**6) + b"a" * 10**6 + MEMO_1
    again = b"c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R0"
    with pytest.raises(InputError, match="refused, the pickle makes more data than the file has"):
        load(written(tmp_path, b"\x80\x02" + text + again * 1000 + b"."))


@pytest.mark.parametrize("data", [b"K\x40", b"N", b"](K\x01K\x02e", b"}"])
def test_an_array_s_data_is_bytes(tmp_path, data):
    for made in LAID_OVER.values():
        with pytest.raises(InputError, match="damaged, the data of an array is of type"):
            load(written(tmp_path, b"\x80\x05" + made.replace(b"h\x01", data) + b"."))


def test_other_encodings_are_refused(tmp_path):
    data = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R."
    with pytest.raises(InputError, match="rot13"):
        load(written(tmp_path, data))


class Model:
    def __init__(self):
        self.mean_, self.whiten = np.arange(3.0), True


@pytest.mark.parametrize("protocol", range(2, 6))
def test_allowed_classes_are_replaced(tmp_path, protocol):
    path = written(tmp_path, [Model()], protocol)
    with pytest.raises(InputError, match=r"asks for test_pickles\.Model"):
        load(path)
    (found,) = load(path, {("test_pickles", "Model"): Attributes})
    assert type(found) is Attributes and found.whiten is True
    np.testing.assert_array_equal(found.mean_, np.arange(3.0))
    with pytest.raises(InputError):  # the list of allowed names was not extended for good
        load(path)


def test_a_pickle_cannot_alter_the_replacements(tmp_path):
    """BUILD upon the class itself, not upon an object of it."""
    state = b"N}X\x01\x00\x00\x00xK\x01s\x86b."
    data = b"\x80\x02ctest_pickles\nModel\n" + state
    with pytest.raises(InputError):
        load(written(tmp_path, data), {("test_pickles", "Model"): Attributes})
    assert not hasattr(Attributes, "x")


def test_files_that_are_no_whole_pickle(tmp_path):
    with pytest.raises(MissingFileError, match="nothing.pkl: no such file"):
        load(tmp_path / "nothing.pkl")
    whole = pickle.dumps(PLAIN | {"array": np.arange(100)})
    for data in (b"", b"not a pickle", whole[:-1], whole[: len(whole) // 2], whole[:20],
                 b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f."):  # fmt: skip
        with pytest.raises(InputError, match=r"file.pkl: .+; expected a whole pickle") as error:
            load(written(tmp_path, data))
        assert "\n" not in str(error.value)


def test_every_truncation_is_named(tmp_path):
    for protocol in PROTOCOLS:
        whole = pickle.dumps([{"a": 1, "b": b"xy"}, ARRAYS[0]], protocol)
        for length in range(len(whole)):
            with pytest.raises(InputError, match=r"file.pkl: "):
                load(written(tmp_path, whole[:length]))


CHECKPOINT = {
    "state_dict": collections.OrderedDict(w=torch.ones(3, 4), b=torch.nn.Parameter(torch.ones(2))),
    "half": torch.ones(2).half(),
    "epoch": 3,
    "table": np.arange(4.0),
}


@pytest.mark.parametrize("new", [True, False])
def test_torch_files_without_their_tensors(tmp_path, new):
    path = tmp_path / "model.pt"
    torch.save(CHECKPOINT, path, _use_new_zipfile_serialization=new)
    found = load_torch(path)
    assert found["epoch"] == 3 and found["table"].tolist() == [0, 1, 2, 3]
    assert dict(found["state_dict"]) == {"w": None, "b": None} and found["half"] is None


def test_torch_files_that_are_none(tmp_path):
    assert load_torch(written(tmp_path, PLAIN, 2)) == PLAIN
    assert load_torch(written(tmp_path, ARRAYS[0], 5)).shape == (2, 3)
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(InputError, match="other.zip: a zip archive, but not of torch"):
        load_torch(path)
    torch.save(CHECKPOINT, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="other.zip: .+; expected a whole pickle"):
        load_torch(path)
