"""The protocols against golden values, trec_eval, and definitions written out as loops."""

from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from gcsa.errors import InputError
from gcsa.evaluation import metrics, protocols
from gcsa.evaluation.listed import ListedTruth, rows_to_lists
from gcsa.evaluation.protocols import PROTOCOLS, Found, protocol, step_ap, trapezoidal_ap

DATA = Path(__file__).parents[1] / "data"
LEVELS = ("easy", "medium", "hard")


@pytest.fixture(scope="module")
def golden():
    return np.load(DATA / "dir.npz")


@pytest.fixture(scope="module")
def icfrr():
    return np.load(DATA / "icfrr.npz")


def listed(database, **lists):
    return ListedTruth({name: rows_to_lists(rows, database) for name, rows in lists.items()})


def marked(codes, **names):
    """Lists from a matrix (Q, n) of codes: name -> the codes that belong to it."""
    rows = {n: [np.flatnonzero(np.isin(row, c)) for row in codes] for n, c in names.items()}
    return listed(codes.shape[1], **rows)


def loop_ap(order, positive, junk, num):
    """Trapezoidal AP of one query: walk down the list, skip junk."""
    rank, seen, total = 0, 0, 0.0
    for row in order:
        if row < 0 or row in junk:
            continue
        if row in positive:
            before = 1.0 if rank == 0 else seen / rank
            seen += 1
            total += (before + seen / (rank + 1)) / 2
        rank += 1
    return total / num


def loop_precision(order, positive, junk, k):
    kept = [row for row in order if row >= 0 and row not in junk]
    ranks = [i + 1 for i, row in enumerate(kept) if row in positive]
    depth = min(k, max(ranks)) if len(ranks) == len(positive) else k
    return sum(r <= depth for r in ranks) / depth


def test_revisited_and_classic_are_the_golden_values(golden):
    order = np.argsort(-golden["ev_scores"], axis=1, kind="stable")
    truth = marked(golden["ev_lists"], easy=[1], hard=[2], junk=[3], ok=[1, 2])
    for level in LEVELS:
        rule = PROTOCOLS[f"revisited-{level}"]
        ap = trapezoidal_ap(rule.find(order, truth))
        expected = golden[f"ev_ap_{level}"]
        np.testing.assert_allclose(np.nan_to_num(ap, nan=-1), expected, rtol=0, atol=1e-12)
        assert rule(order, truth)["mAP"] == pytest.approx(golden[f"ev_map_{level}"], abs=1e-12)
    assert (golden["ev_ap_hard"] == -1).any(), "a query without a relevant image is among them"
    classic = PROTOCOLS["classic"]
    ap = trapezoidal_ap(classic.find(order, truth))
    np.testing.assert_allclose(
        np.maximum(golden["ev_ap_classic"], 0), np.nan_to_num(ap), atol=1e-12
    )
    assert classic(order, truth)["mAP"] == pytest.approx(golden["ev_map_classic"], abs=1e-12)


def test_trapezoid_of_given_ranks(golden):
    lists = [[0, 1, 2], [0], [5], [1, 3, 9], []]
    found = Found(
        query=np.repeat(np.arange(5), [len(r) for r in lists]),
        rank=np.concatenate([np.array(r, dtype=np.int64) for r in lists]),
        place=np.concatenate([np.arange(len(r)) for r in lists]),
        num=np.array([len(r) for r in lists]),
    )
    np.testing.assert_allclose(np.nan_to_num(trapezoidal_ap(found)), golden["capr_ap"], atol=1e-12)


TOY_ORDER = np.array([[4, 0, 6, 2, 5, 1, 3], [0, 5, 1, 2, 3, 4, 6]])
TOY = dict(easy=[[0, 1], [5]], hard=[[2, 3], []], junk=[[4], [0]])


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("easy", [0.854167, 1, 0.75, 0.75]),
        ("medium", [0.845833, 1, 0.8, 0.833333]),
        ("hard", [0.333333, 0, 0.5, 0.5]),
    ],
)
def test_the_published_evaluator_on_seven_images(level, expected):
    result = PROTOCOLS[f"revisited-{level}"](TOY_ORDER, listed(7, **TOY))
    assert list(result) == ["mAP", "mP@1", "mP@5", "mP@10"]
    assert list(result.values()) == pytest.approx(expected, abs=1e-6)


def random_case(seed, cut):
    """Shuffled lists, perhaps cut short and padded; lists of the truth that may overlap."""
    random = np.random.default_rng(seed)
    order = np.stack([random.permutation(15) for _ in range(6)])
    order = np.pad(order[:, : 15 - cut], ((0, 0), (0, 2)), constant_values=-1)
    rows = {
        name: [random.choice(15, random.integers(0, 5), replace=False) for _ in order]
        for name in ("easy", "hard", "junk")
    }
    return order, rows


@given(st.integers(0, 2**32), st.integers(0, 12))
def test_revisited_is_the_definition_written_out(seed, cut):
    order, rows = random_case(seed, cut)
    truth, medium = listed(15, **rows), PROTOCOLS["revisited-medium"]
    found, result = medium.find(order, truth), medium(order, truth)
    aps, precisions = [], []
    for q, ranked in enumerate(order):
        junk = set(rows["junk"][q])
        positive = (set(rows["easy"][q]) | set(rows["hard"][q])) - junk
        assert found.num[q] == len(positive)
        if positive:
            aps.append(loop_ap(ranked, positive, junk, len(positive)))
            precisions.append([loop_precision(ranked, positive, junk, k) for k in (1, 5, 10)])
    expected = [np.mean(aps), *np.mean(precisions, axis=0)] if aps else [np.nan] * 4
    assert list(result.values()) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("case", range(4))
def test_icfrr_is_the_golden_values(icfrr, case):
    truth = ListedTruth.from_labels(icfrr["syn_labels_q"], icfrr["syn_labels_g"])
    ranks = icfrr[f"syn{case}_ranks"]
    for t, order in enumerate(ranks):
        rule = PROTOCOLS["icfrr"]
        ap = step_ap(rule.find(order, truth))
        np.testing.assert_allclose(ap, icfrr[f"syn{case}_ap"][t], atol=1e-6)
        result = rule(order, truth)
        assert list(result) == ["mAP@all", "mAP@200", "P@25", "P@100", "P@200"]
        np.testing.assert_allclose(
            list(result.values()), icfrr[f"syn{case}_metrics"][t], rtol=0, atol=1e-6
        )


def test_icfrr_divides_by_what_is_found_inside_and_always_by_k():
    order = np.arange(250)[None]
    truth = listed(250, relevant=[[1, 240, 249]])
    result = PROTOCOLS["icfrr"](order, truth)
    assert result["mAP@all"] == pytest.approx((1 / 2 + 2 / 241 + 3 / 250) / 3)
    assert result["mAP@200"] == pytest.approx(1 / 2)
    short = PROTOCOLS["icfrr"](order[:, :10], truth)
    assert short == pytest.approx(
        {"mAP@all": 1 / 6, "mAP@200": 0.5, "P@25": 1 / 25, "P@100": 0.01, "P@200": 1 / 200}
    )


def test_labels_leave_the_query_out(golden):
    _, classes = np.unique(golden["lab_classes"], return_inverse=True)
    truth = ListedTruth.from_labels(classes, classes, own=np.arange(10))
    order = np.argsort(-golden["lab_S"], axis=1, kind="stable")
    rule = PROTOCOLS["labels"]
    ap = step_ap(rule.find(order, truth))
    np.testing.assert_allclose(np.nan_to_num(ap, nan=-1), golden["lab_AP"], atol=1e-12)
    expected = golden["lab_AP"][golden["lab_AP"] >= 0].mean()
    assert rule(order, truth) == {"mAP": pytest.approx(expected, abs=1e-12)}


def test_step_ap_is_scikit_learns(golden):
    order = np.argsort(-golden["qap_scores"], kind="stable")[None]
    truth = listed(60, relevant=[np.flatnonzero(golden["qap_labels"] == 1)])
    assert step_ap(PROTOCOLS["icfrr"].find(order, truth))[0] == pytest.approx(golden["skap"])


@given(st.integers(0, 2**32), st.integers(0, 12))
def test_trec_eval_agrees_where_the_definition_is_the_same(seed, cut):
    order, rows = random_case(seed, cut)
    relevant = [np.union1d([q], row) for q, row in enumerate(rows["easy"])]  # one at least
    judged = {str(q): {str(int(i)): 1 for i in row} for q, row in enumerate(relevant)}
    runs = {
        str(q): {str(i): -float(place) for place, i in enumerate(row) if i >= 0}
        for q, row in enumerate(order)
    }
    kinds = {"map", "P.5,10,25", "success.1,5,10"}
    by_query = pytrec_eval.RelevanceEvaluator(judged, kinds).evaluate(runs).values()
    trec = {name: np.mean([r[name] for r in by_query]) for name in next(iter(by_query))}
    truth = listed(15, relevant=relevant)
    places, classes = PROTOCOLS["msls"](order, truth), PROTOCOLS["icfrr"](order, truth)
    assert classes["mAP@all"] == pytest.approx(trec["map"])
    assert classes["P@25"] == pytest.approx(trec["P_25"])
    for k in (1, 5, 10):
        assert places[f"recall@{k}"] == pytest.approx(trec[f"success_{k}"])
    for k in (5, 10):
        found = PROTOCOLS["icfrr"].find(order, truth)
        assert protocols.precision(found, k).mean() == pytest.approx(trec[f"P_{k}"])


@given(st.integers(0, 2**32), st.integers(0, 12))
def test_place_recognition_is_the_official_evaluation(seed, cut):
    order, rows = random_case(seed, cut)
    truth = listed(15, relevant=rows["easy"])
    hits = np.array([np.isin(r, p) & (r >= 0) for r, p in zip(order, rows["easy"], strict=True)])
    counts = np.array([len(p) for p in rows["easy"]]) + seed % 3
    for expected_truth, num in ((truth, counts - seed % 3), (None, counts)):
        expected = metrics.evaluate(hits, num)
        given_truth = expected_truth or ListedTruth.from_hits(order, hits, num, 15)
        for name in ("msls", "lamar"):
            assert PROTOCOLS[name](order, given_truth) == pytest.approx(expected, nan_ok=True)


def test_queries_without_a_relevant_image():
    order = np.array([[0, 1], [1, 0]])
    empty = listed(
        2, easy=[[0], []], hard=[[], []], junk=[[], []], ok=[[0], []], relevant=[[0], []]
    )
    assert PROTOCOLS["revisited-easy"](order, empty)["mAP"] == 1  # left out
    assert PROTOCOLS["classic"](order, empty) == {"mAP": 0.5}  # counted as 0
    assert PROTOCOLS["icfrr"](order, empty)["mAP@all"] == 0.5
    assert np.isnan(list(PROTOCOLS["revisited-hard"](order, empty).values())).all()
    assert PROTOCOLS["msls"](order, empty)["recall@1"] == 1


def test_an_image_that_is_relevant_and_junk_is_junk():
    truth = listed(4, ok=[[0, 2]], junk=[[0]])
    found = PROTOCOLS["classic"].find(np.array([[0, 1, 2, 3]]), truth)
    assert list(found.rank) == [1] and list(found.num) == [1]


def test_no_queries_and_empty_lists():
    truth = listed(3, ok=[], junk=[])
    assert np.isnan(PROTOCOLS["classic"](np.zeros((0, 3), dtype=int), truth)["mAP"])
    truth = listed(3, ok=[[1]], junk=[[]])
    assert PROTOCOLS["classic"](np.zeros((1, 0), dtype=int), truth) == {"mAP": 0}


def test_blocks_of_queries_do_not_change_the_figures(monkeypatch):
    order, rows = random_case(3, 2)
    truth = listed(15, **rows)
    whole = PROTOCOLS["revisited-medium"].find(order, truth)
    monkeypatch.setattr(protocols, "CHUNK", 35)
    parts = PROTOCOLS["revisited-medium"].find(order, truth)
    for name in ("query", "rank", "place", "num"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (np.array([[0, 1]]), "order: shape (1, 2), the ground truth is of 2 queries"),
        (np.array([[0, 3], [0, 1]]), "order: holds rows that a database of 3 images"),
        (np.array([[0, -2], [0, 1]]), "order: holds rows that a database of 3 images"),
        (np.array([[0, 0], [0, 1]]), "order: a list holds a relevant image twice"),
    ],
)
def test_wrong_orders(order, message):
    with pytest.raises(InputError) as error:
        PROTOCOLS["classic"](order, listed(3, ok=[[0], [1]], junk=[[], []]))
    assert str(error.value).startswith(message)


def test_wrong_truth_and_names():
    with pytest.raises(InputError, match="no protocol 'revisited-mid'.*revisited-medium"):
        protocol("revisited-mid")
    with pytest.raises(InputError, match="ground truth: has no list 'easy'"):
        PROTOCOLS["revisited-easy"](np.zeros((1, 1), dtype=int), listed(1, ok=[[0]], junk=[[]]))
    with pytest.raises(InputError, match="query 1 lists image 7, the database has 7"):
        rows_to_lists([[0], [7, 3]], 7)
    with pytest.raises(InputError, match="query 0 lists image -1"):
        rows_to_lists([[-1]], 7)
    with pytest.raises(InputError, match="common shape"):
        ListedTruth({"ok": rows_to_lists([[0]], 3), "junk": rows_to_lists([[0]], 4)})
    with pytest.raises(InputError, match="2 counts for 1 queries"):
        ListedTruth({"ok": rows_to_lists([[0]], 3)}, np.array([1, 2]))


def test_every_protocol_describes_itself():
    for rule in PROTOCOLS.values():
        assert len(rule.description) > 40 and "\n" not in rule.description
    assert protocol("classic") is PROTOCOLS["classic"]
