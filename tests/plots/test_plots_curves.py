"""Curves of training runs and of metrics against k, read back from the figures."""

import pytest
from test_plots import assert_in_order

from gcsa import plots
from gcsa.errors import InputError, MissingFileError
from gcsa.evaluation import metrics

HEAD = "epoch,loss,learning_rate,recall@1,mAP@10\n"


def write(tmp_path, text):
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    return path


def test_metrics_file_is_read_by_epoch(tmp_path):
    rows = plots.read_metrics(write(tmp_path, HEAD + "0,,,0.5,0.25\n1,0.75,1e-4,0.6,0.5\n"))
    assert rows[0] == {
        "epoch": 0, "loss": None, "learning_rate": None, "recall@1": 0.5, "mAP@10": 0.25,
    }  # fmt: skip
    assert rows[1]["loss"] == 0.75 and rows[1]["learning_rate"] == 1e-4


def test_wrong_metrics_files_are_named(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere.csv: no such file"):
        plots.read_metrics(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="line 3: a cell is not a number .*'x'"):
        plots.read_metrics(write(tmp_path, HEAD + "0,,,0.5,0.25\n1,x,1,0,0\n"))
    with pytest.raises(InputError, match="line 2: 6 cells separated by commas"):
        plots.read_metrics(write(tmp_path, HEAD + "0,,,0.5,0.25,7\n"))
    for text in ("", HEAD, "a,b\n1,2\n"):
        with pytest.raises(InputError, match="expected a header"):
            plots.read_metrics(write(tmp_path, text))


def lines_of(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_training_curves_show_every_epoch_in_percent(tmp_path):
    rows = plots.read_metrics(
        write(tmp_path, HEAD + "0,,,0.5,0.25\n1,0.75,1e-4,0.6,0.5\n2,0.5,1e-4,0.7,0.375\n")
    )
    figure = plots.training_curves({"one": rows, "two": rows[:2]})
    loss, recall, precision = figure.axes
    assert lines_of(loss) == {"one": [[1, 0.75], [2, 0.5]], "two": [[1, 0.75]]}
    assert lines_of(recall)["one"] == [[1, pytest.approx(60)], [2, pytest.approx(70)]]
    assert lines_of(precision)["one"] == [[1, 50], [2, 37.5]]
    dotted = [line for line in precision.lines if line.get_linestyle() == ":"]
    assert [line.get_ydata()[0] for line in dotted if len(line.get_ydata())] == [25, 25]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["one", "two", "no re-ranking"]
    assert_in_order(figure)


def test_metrics_against_k_are_sorted_by_k():
    relevant = [[False, True, False, True], [True, False, False, False]]
    values = metrics.evaluate(relevant, [2, 3], (4, 1, 2))
    figure = plots.metrics_against_k({"a": values, "b": {"recall@1": 0.25}})
    recall, precision = figure.axes
    assert lines_of(recall) == {"a": [[1, 50], [2, 100], [4, 100]], "b": [[1, 25]]}
    ap = {1: (0 + 1) / 2, 2: (1 / 4 + 1 / 2) / 2, 4: ((1 / 2 + 2 / 4) / 2 + 1 / 3) / 2}
    expected = [[k, pytest.approx(100 * value)] for k, value in ap.items()]
    assert lines_of(precision)["a"] == expected and lines_of(precision)["b"] == []
    assert recall.get_xticks().tolist() == [1, 2, 4]
    assert_in_order(figure)


def test_many_methods_can_be_told_apart():
    methods = {str(i): {"recall@1": i / 20, "mAP@1": 0.1} for i in range(9)}
    figure = plots.metrics_against_k(methods)
    styles = {
        (line.get_color(), line.get_marker(), line.get_linestyle()) for line in figure.axes[0].lines
    }
    assert len(styles) == 9
    assert_in_order(figure)
