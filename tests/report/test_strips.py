"""The strips show the numbers: a dot for each patient, the mean with its interval, and which rows are told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from ctpbench.outcome.comparison import Comparison, comparisons
from ctpbench.outcome.results import build
from ctpbench.report.strips import draw_comparisons, pairs_figure, picture_name
from ctpbench.running.record import Record
from ctpbench.running.store import Store
from tests.outcome.records import changed, index_of, record
from tests.outcome.test_leaderboard import patient_values, ward

WHERE = ("phantom", 2e5)
WARD = [ward("b", 5.02, spread=1.2), ward("a", 5.0), ward("c", 5.9, spread=1.3), ward("noiseless", 2.0)]


def compared(*records: Record) -> Comparison:
    (found,) = comparisons(build(records, {})).values()
    return found


def drawn(*records: Record) -> tuple[Figure, Axes]:
    here = compared(*records)
    figure = pairs_figure(WHERE, here, here.against_leader)
    (axes,) = figure.axes
    return figure, axes


def strips(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_yticklabels()]


def dots(axes: Axes, strip: int) -> np.ndarray:
    """The places of a strip's patients along x and y, by x."""
    (found,) = [cloud for cloud in axes.collections if cloud.get_label() == f"patients {strip}"]
    return np.asarray(found.get_offsets())


def mean(axes: Axes, strip: int) -> Any:
    (found,) = [line for line in axes.lines if line.get_label() == f"mean {strip}"]
    return found


def test_every_row_has_a_strip_of_its_patients_differences_from_the_leader() -> None:
    figure, axes = drawn(*WARD)
    here = compared(*WARD)
    assert strips(axes) == ["b", "c"]
    leader = patient_values(WARD[1])
    for strip, made in enumerate((WARD[0], WARD[2])):
        found = dots(axes, strip)
        np.testing.assert_allclose(found[:, 0], np.sort(patient_values(made) - leader))
        assert (abs(found[:, 1] - strip) < 0.5).all()
        pair = here.against_leader[strip]
        assert mean(axes, strip).get_xydata().tolist() == [[pair.difference.value, strip]]
        (bar,) = [line for line in axes.lines if len(line.get_xdata()) == 2 and list(line.get_ydata()) == [strip] * 2]
        assert list(bar.get_xdata()) == [pair.difference.interval.low, pair.difference.interval.high]
    assert [list(line.get_xdata()) for line in axes.lines if list(line.get_ydata()) == [0, 1]] == [[0.0, 0.0]]
    assert axes.get_ylim() == (1.5, -0.5)  # the nearest row is the highest
    assert axes.get_xlabel() == "a better by (mL/100 g/min)"
    assert figure.get_suptitle() == "phantom, noise 2e5: RMSE CBF, 8 patients"
    numbers = [text.get_text() for text in axes.texts]
    assert numbers[0].startswith("0.03 [-0.0")
    assert len(numbers) == 2


def test_rows_that_are_told_apart_are_marked_by_more_than_a_colour() -> None:
    figure, axes = drawn(*WARD)
    like, apart = mean(axes, 0), mean(axes, 1)
    assert (like.get_marker(), apart.get_marker()) == ("o", "D")
    assert like.get_markerfacecolor() == "w"
    assert like.get_color() != apart.get_color() == apart.get_markerfacecolor()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "a patient",
        "mean with 95% interval: told apart (paired t-test, Holm)",
        "mean with 95% interval: not told apart",
    ]
    assert [handle.get_marker() for handle in legend.get_lines()] == ["o", "D", "o"]


def test_a_pair_alone_is_not_said_to_be_adjusted_for_others() -> None:
    here = compared(*WARD)
    figure = pairs_figure(WHERE, here, [here.pair(1, 2)])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "a patient",
        "mean with 95% interval: told apart (paired t-test)",
    ]


def test_few_patients_have_dots_and_a_mean_without_an_interval() -> None:
    few = [
        record(label, scores=made.scores, cases=made.cases, patients=["p"] * 11 + ["q"] * 11)
        for label, made in (("a", WARD[1]), ("c", WARD[2]))
    ]
    figure, axes = drawn(*few)
    assert len(dots(axes, 0)) == 2
    assert mean(axes, 0).get_marker() == "s"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a patient", "mean: no test"]
    assert len(axes.lines) == 2  # zero, and the mean


def test_where_a_row_is_far_behind_the_near_ones_are_still_seen() -> None:
    _, near = drawn(*WARD)
    assert near.get_xscale() == "linear"
    _, far = drawn(*WARD, ward("none", 30.0, spread=2.0))
    assert far.get_xscale() == "symlog"
    nearest = np.abs(dots(far, 0)[:, 0]).max()
    assert far.get_xlabel() == f"a better by (mL/100 g/min), logarithmic beyond ± {nearest:.2f}"
    left, right = far.get_xlim()
    assert -right < left < 0  # no room for what is not there
    ends = far.transData.transform([[-nearest, 0], [nearest, 0]])[:, 0]
    width = np.ptp(far.transData.transform([[left, 0], [right, 0]])[:, 0])
    assert np.ptp(ends) > 0.2 * width


def test_pairs_of_several_first_rows_are_named_by_both() -> None:
    here = compared(*WARD)
    axes = pairs_figure(WHERE, here, [pair for pair in here.pairs if pair.p is not None]).axes[0]
    assert strips(axes) == ["b\nover a", "b\nover c", "a\nover c"]
    assert axes.get_xlabel().startswith("the first better by")


def test_a_patient_that_a_row_lacks_is_no_dot() -> None:
    table = WARD[0].scores["rmse"]
    values = [[None, None] if whose == "p3" else row for row, whose in zip(table.values, WARD[0].patients, strict=True)]
    lacking = changed(WARD[0], scores={"rmse": table.model_copy(update={"values": values})})
    _, axes = drawn(lacking, WARD[1])
    assert len(dots(axes, 0)) == 7


def test_any_label_can_be_drawn() -> None:
    labels = ["$x^$", "_hidden", "a_very_long_label(" + "sigma_t_hu=11.25, " * 9 + ")", "two\nlines"]
    made = [ward(label, 5.0 + place, spread=1 + place / 10) for place, label in enumerate(labels)]
    figure, axes = drawn(*made)
    figure.draw_without_rendering()
    assert strips(axes)[0] == "_hidden"
    assert strips(axes)[2] == "two lines"
    assert max(len(line) for label in strips(axes) for line in label.split("\n")) <= 34
    assert strips(axes)[1].count("sigma_t_hu") >= 8
    assert axes.get_xlabel().startswith("$x^$ better by")


def test_levels_with_enough_patients_are_drawn(tmp_path: Path) -> None:
    few = [record(label, dataset="few") for label in "ab"]
    unknown = [changed(made, dataset="a%b", key=f"x {made.config}", patients=[]) for made in WARD]
    real = [
        ward(label, offset, spread=offset / 5, noise=None, dataset="real, x") for label, offset in (("a", 5), ("b", 6))
    ]
    alone = [ward("a", 5.0, noise=1e6)]
    tree = build([*WARD, *few, *unknown, *real, *alone], {})
    paths = draw_comparisons(tree, tmp_path / "new")
    assert [path.name for path in paths] == ["phantom-2e5.png", "real%2C x.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    for path in paths:
        image = np.asarray(imread(path))
        assert image.ndim == 3
        assert image[..., :3].std() > 0.02
    assert draw_comparisons(build(few, {}), tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_a_run_draws_them_beside_its_curves(tmp_path: Path) -> None:
    from ctpbench.report.drawing import draw

    store = Store(tmp_path)
    store.write_plan(index_of(WARD), "")
    for made in WARD:
        store.write_record(made)
    assert draw(store) == [tmp_path / "comparison" / "phantom-2e5.png"]


@pytest.mark.parametrize(
    ("where", "more", "name"),
    [
        (("phantom", 2e5), (), "phantom-2e5.png"),
        (("isles", None), ("ssim_cbf", "a/b"), "isles-ssim_cbf-a%2Fb.png"),
        (("x", 0.5), ("y" * 300,), f"x-0.5-{'y' * 144}.png"),
    ],
)
def test_names_of_pictures_are_names_of_files(where: Any, more: Any, name: str) -> None:
    assert picture_name(where, *more) == name
