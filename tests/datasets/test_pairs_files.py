"""hloc's pairs files: byte for byte, round trips, faults, and a real file where there is one."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.datasets.hloc import read_image_list, read_pairs, read_scores, write_pairs, write_scores
from gcsa.errors import InputError
from gcsa.files.lines import names_by_line
from gcsa.localization.pairs_files import padded, read_candidates, write_candidates
from gcsa.ranking.lists import Ranking
from gcsa.scene import ImageSet, Scene

AACHEN = Path(__file__).parents[3] / "shared" / "data" / "hloc_pairs_aachen"


def scene_of(queries, database):
    return Scene("s", ImageSet(np.array(database)), ImageSet(np.array(queries)))


@st.composite
def ranked(draw):
    """A scene, and ranked lists of different lengths."""
    word = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1)
    names = draw(st.lists(word, min_size=2, max_size=12, unique=True))
    cut = draw(st.integers(1, len(names) - 1))
    queries, database = names[:cut], names[cut:]
    lists = [draw(st.lists(st.sampled_from(range(len(database))), unique=True)) for _ in queries]
    width = max(map(len, lists))
    indices, scores = np.full((cut, width), -1), np.full((cut, width), -np.inf, np.float32)
    for row, found in enumerate(lists):
        indices[row, : len(found)] = found
        values = draw(
            st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False),
                     min_size=len(found), max_size=len(found))
        )  # fmt: skip
        scores[row, : len(found)] = sorted(values, reverse=True)
    return scene_of(queries, database), Ranking(indices, scores)


@settings(deadline=None)
@given(content=ranked())
def test_lists_come_back(tmp_path_factory, content):
    scene, candidates = content
    folder = tmp_path_factory.getbasetemp()
    count = write_candidates(folder / "p.txt", scene, candidates, scores=folder / "s.txt")
    assert count == candidates.valid.sum()
    if count == 0:
        with pytest.raises(InputError, match="p.txt: holds no pairs"):
            read_candidates(folder / "p.txt", scene)
        return
    back = read_candidates(folder / "p.txt", scene)
    np.testing.assert_array_equal(back.indices, candidates.indices)
    order = np.where(candidates.valid, -np.arange(candidates.indices.shape[1]), -np.inf)
    np.testing.assert_array_equal(back.scores, order)
    back = read_candidates(folder / "s.txt", scene, scored=True)
    np.testing.assert_array_equal(back.indices, candidates.indices)
    np.testing.assert_array_equal(back.scores, candidates.scores)
    (queries, database), lines = read_pairs(folder / "p.txt"), read_scores(folder / "s.txt")
    np.testing.assert_array_equal(queries, lines[0])
    np.testing.assert_array_equal(database, lines[1])


def test_byte_for_byte(tmp_path):
    scene = scene_of(["q/1.jpg", "q/2.jpg", "q/3.jpg"], ["a", "b", "ü"])
    candidates = Ranking(
        np.array([[2, 0, 1], [-1, -1, -1], [1, 2, -1]]),
        np.array([[0.75, 0.5, -np.inf], [-np.inf] * 3, [0.1, 0, -np.inf]], np.float32),
    )
    write_candidates(tmp_path / "p.txt", scene, candidates, 2, tmp_path / "s.txt")
    expected = "q/1.jpg ü\nq/1.jpg a\nq/3.jpg b\nq/3.jpg ü"
    assert (tmp_path / "p.txt").read_bytes() == expected.encode()
    expected = "q/1.jpg ü 0.75\nq/1.jpg a 0.5\nq/3.jpg b 0.1\nq/3.jpg ü 0.0"
    assert (tmp_path / "s.txt").read_bytes() == expected.encode()
    write_candidates(tmp_path / "p.txt", scene, candidates, scores=tmp_path / "s.txt")
    assert "q/1.jpg b -inf" in (tmp_path / "s.txt").read_text()
    assert read_candidates(tmp_path / "s.txt", scene, scored=True).scores[0, 2] == -np.inf


def test_files_of_hloc(tmp_path, caplog):
    """Queries interleaved, pairs repeated, an image with itself, blank lines, several spaces."""
    scene = scene_of(["1", "2", "3"], ["1", "a", "b"])
    (tmp_path / "p.txt").write_text("2 b\n1 a\n\n2  a\n1 1\n2 b\n1 b\n")
    with caplog.at_level(logging.INFO):
        found = read_candidates(tmp_path / "p.txt", scene)
    assert found.indices.tolist() == [[1, 2], [2, 1], [-1, -1]]
    assert "no pairs for 1 of 3 queries" in caplog.text
    wide = padded(found, 4)
    assert wide.indices.tolist() == [[1, 2, -1, -1], [2, 1, -1, -1], [-1] * 4]
    assert np.isneginf(wide.scores[~wide.valid]).all() and wide.scores.dtype == np.float32
    assert padded(found, 1).indices.shape == (3, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 c\n2 c", "p.txt: 'c' is no database image of s; its names are like 'a'"),
        ("9 a", "p.txt: '9' is no query of s"),
        ("1 A\n2 B.jpg", r"'A' is no database image of s .did you mean 'a'"),
        ("1 c\n9 a", "p.txt: no pair of a query and a database image of s"),
        ("\n", "p.txt: holds no pairs, expected 'query database' lines"),
        ("1 a\n\n1 a b", "p.txt: line 3: expected 'query database', got 3 fields"),
        ("1 a\nb", "p.txt: line 2: expected 'query database', got 1 fields"),
    ],
)
def test_faults_of_pairs(tmp_path, text, message):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_candidates(tmp_path / "p.txt", scene_of(["1", "2"], ["a", "b"]))


def test_images_that_the_scene_leaves_out_are_passed_over(tmp_path, caplog):
    """hloc's lists are of all images on disk, MSLS's protocol is not."""
    (tmp_path / "p.txt").write_text("0 a\n1 b\n1 pano\n1 a\n2 pano")
    with caplog.at_level("INFO"):
        found = read_candidates(tmp_path / "p.txt", scene_of(["1", "2"], ["a", "b"]))
    assert found.indices.tolist() == [[1, 0], [-1, -1]]
    assert "3 of 5 pairs are passed over, s leaves out their images or they" in caplog.text


def test_misspelt_names_are_said_as_that(tmp_path, caplog):
    scene = scene_of(["q/first_1.jpg", "q/2.jpg"], ["db/north.jpg", "db/south.jpg"])
    for wrong, meant in (
        ("q/first_1.jpeg db/north.jpg", "'q/first_1.jpeg' (did you mean 'q/first_1.jpg'?)"),
        ("q/2.jpg north.jpg", "'north.jpg' (did you mean 'db/north.jpg'?)"),
        ("q/2.jpg db/nort.jpg", "'db/nort.jpg' (did you mean 'db/north.jpg'?)"),
        ("q/2.jpg db/4kF9.jpg", "such as 'db/4kF9.jpg'"),
    ):
        caplog.clear()
        (tmp_path / "p.txt").write_text(f"q/2.jpg db/south.jpg\n{wrong}\n")
        read_candidates(tmp_path / "p.txt", scene)
        assert caplog.messages[0].endswith(meant)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 a 0.5\n1 b 0.6", "scores must fall within a query, 0.6 follows"),
        ("1 a x", "line 1: could not convert"),
        ("1 a nan", "line 1: 'nan' is no score"),
        ("1 a inf", "line 1: 'inf' is no score"),
        ("1 a", "expected 'query database score', got 2 fields"),
    ],
)
def test_faults_of_scores(tmp_path, text, message):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_candidates(tmp_path / "p.txt", scene_of(["1", "2"], ["a", "b"]), scored=True)


@pytest.mark.parametrize("name", ["a b.jpg", "", " a", "a\tb", "a\u2003b"])
def test_names_with_spaces_are_refused(tmp_path, name):
    for call in (
        lambda path: write_pairs(path, ["q"], [name]),
        lambda path: write_pairs(path, [name], ["d"]),
        lambda path: write_scores(path, ["q"], [name], [1.0]),
    ):
        with pytest.raises(InputError, match="cannot be written: hloc's files separate names"):
            call(tmp_path / "p.txt")
    assert not list(tmp_path.iterdir())


def test_names_of_a_list(tmp_path):
    (tmp_path / "l.txt").write_text("# queries\nq/1.jpg SIMPLE_RADIAL 10 20 5 5 5 0\n\nq/2.jpg\n")
    assert read_image_list(tmp_path / "l.txt") == ["q/1.jpg", "q/2.jpg"]
    with pytest.raises(FileNotFoundError, match="none.txt: no such file"):
        read_image_list(tmp_path / "none.txt")
    (tmp_path / "l.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-16 text; save it as UTF-8"):
        read_image_list(tmp_path / "l.txt")
    (tmp_path / "l.txt").write_bytes(b"a.jpg\n\xe9.jpg\n")
    with pytest.raises(InputError, match="l.txt: line 2: not UTF-8 text"):
        read_image_list(tmp_path / "l.txt")


def test_names_with_spaces_in_lists(tmp_path):
    (tmp_path / "l.txt").write_text("\nnorth 1.jpg\n#2.jpg\n")
    assert names_by_line(tmp_path / "l.txt") == ["north 1.jpg", "#2.jpg"]
    with pytest.raises(InputError, match="l.txt: line 2: .*, got '1.jpg' behind a name"):
        read_image_list(tmp_path / "l.txt")
    (tmp_path / "l.txt").write_text("# all\n#\n1.jpg\n#2.jpg\n")
    assert read_image_list(tmp_path / "l.txt") == ["1.jpg"]
    with pytest.raises(InputError, match="l.txt: line 4: '#2.jpg': a name, which must not begin"):
        read_image_list(tmp_path / "l.txt", all_of_them=True)


def test_the_mark_of_windows_is_no_part_of_a_name(tmp_path):
    text = "\ufeffq/1.jpg db/1.jpg 0.5\r\nq/2.jpg db/2.jpg 0.25\r\n"
    (tmp_path / "s.txt").write_text(text, newline="")
    (tmp_path / "p.txt").write_text(text.replace(" 0.5", "").replace(" 0.25", ""), newline="")
    names = [["q/1.jpg", "q/2.jpg"], ["db/1.jpg", "db/2.jpg"]]
    assert [part.tolist() for part in read_pairs(tmp_path / "p.txt")] == names
    assert [part.tolist() for part in read_scores(tmp_path / "s.txt")] == [*names, [0.5, 0.25]]
    (tmp_path / "l.txt").write_text("\ufeffq/1.jpg\r\nq/2.jpg\r\n", newline="")
    assert read_image_list(tmp_path / "l.txt") == names_by_line(tmp_path / "l.txt") == names[0]


@pytest.mark.skipif(not AACHEN.is_dir(), reason="hloc's pairs of Aachen are not here")
def test_the_pairs_of_aachen(tmp_path):
    path = AACHEN / "pairs-query-netvlad20.txt"
    lines = [line.split() for line in path.read_text().split("\n")]
    queries, database = (list(dict.fromkeys(column)) for column in zip(*lines, strict=True))
    scene = scene_of(sorted(queries), sorted(database))
    found = read_candidates(path, scene)
    assert found.indices.shape == (922, 20) and found.valid.all()
    for query, image in lines[:: len(lines) // 50]:
        row = int(np.flatnonzero(scene.queries.names == query)[0])
        wanted = [b for a, b in lines if a == query]
        assert scene.database.names[found.indices[row]].tolist() == wanted and image in wanted
    in_file = np.array([int(np.flatnonzero(scene.queries.names == q)[0]) for q in queries])
    same = Scene("s", scene.database, ImageSet(scene.queries.names[in_file]))
    write_candidates(tmp_path / "p.txt", same, Ranking(found.indices[in_file], found.scores))
    assert (tmp_path / "p.txt").read_bytes() == path.read_bytes()
