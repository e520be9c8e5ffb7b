"""The curves show the numbers: a panel for each quantity and noise level, a line for each row of the suite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D
from scipy import stats

from ctpbench.outcome.results import build
from ctpbench.outcome.statistics import LEAST_PATIENTS
from ctpbench.report.curves import draw_curves, learning_figure, score_figure, sweep_figure
from ctpbench.running.record import Entries, Record, Trial
from ctpbench.running.store import Store
from tests.outcome.records import changed, inapplicable, index_of, objective, record, rmse, score, trial


def group(*records: Record) -> xr.DataTree:
    return build(records, {})["phantom"]


def panels(figure: Figure | None) -> dict[tuple[str, str], Axes]:
    """The panels by noise level and what is on x and y; y is named in the first of a row alone."""
    assert figure is not None
    found, on_y = {}, ""
    for axes in figure.axes:
        on_y = axes.get_ylabel() or on_y
        found[axes.get_title(), f"{on_y} against {axes.get_xlabel()}"] = axes
    return found


def lines(axes: Axes) -> dict[str, list[Line2D]]:
    """The lines of a panel by their row of the suite, rings and hollow points left out."""
    found: dict[str, list[Line2D]] = {}
    for line in axes.lines:
        if line.get_marker() not in ("o", "D"):
            found.setdefault(str(line.get_label()), []).append(line)
    return found


def rings(axes: Axes) -> list[tuple[float, float]]:
    return [(*line.get_xdata(), *line.get_ydata()) for line in axes.lines if line.get_marker() == "o"]


def hollow(axes: Axes) -> list[list[float]]:
    return [point for line in axes.lines if line.get_marker() == "D" for point in line.get_xydata().tolist()]


def legend(figure: Figure | None) -> list[str]:
    assert figure is not None
    return [text.get_text() for shown in figure.legends for text in shown.get_texts()]


# -- what training logged ---


def logged(config: str, noise: float | None = 1e5, seed: int = 0, **curve: list[Any]) -> Record:
    return record(config, noise, seed, learning={"step": list(range(0, 100 * len(curve["loss"]), 100)), **curve})


def test_each_quantity_that_training_logged_is_drawn_against_its_step() -> None:
    records = [
        record("none", 1e5),
        logged("n2n", 1e5, loss=[9.0, 3.0, 1.0], bias=[None, 0.5, -0.5]),
        logged("n2n", 2e5, loss=[8.0, None, 2.0], bias=[1.0, 2.0, 4.0]),
        logged("supervised", 1e5, loss=[5.0, 2.0, 0.0], bias=[1.0, 1.0, 1.0]),
    ]
    figure = learning_figure(group(*records))
    shown = panels(figure)
    loss, bias = "loss against step", "bias against step"
    assert set(shown) == {(f"noise {level}", text) for level in ("1e5", "2e5") for text in (loss, bias)}
    here = lines(shown["noise 1e5", loss])
    assert list(here) == ["n2n", "supervised"]
    np.testing.assert_array_equal(here["n2n"][0].get_xydata(), [[0, 9], [100, 3], [200, 1]])
    np.testing.assert_array_equal(lines(shown["noise 1e5", bias])["n2n"][0].get_xydata(), [[100, 0.5], [200, -0.5]])
    there = lines(shown["noise 2e5", loss])
    assert list(there) == ["n2n"]
    np.testing.assert_array_equal(there["n2n"][0].get_xydata(), [[0, 8], [200, 2]])
    assert legend(figure) == ["n2n", "supervised"]
    scales = {place: axes.get_yscale() for place, axes in shown.items()}
    assert scales["noise 1e5", loss] == scales["noise 1e5", bias] == "linear"  # a zero, a negative value
    assert scales["noise 2e5", loss] == scales["noise 2e5", bias] == "log"


def test_several_seeds_are_a_median_with_a_band_and_a_row_keeps_its_colour() -> None:
    losses = ([2.0, 1.0], [3.0, 1.0], [9.0, 4.0])
    records = [
        *(logged("n2n", noise, seed, loss=loss) for noise in (1e5, 2e5) for seed, loss in enumerate(losses)),
        logged("supervised", 2e5, loss=[3.0, 1.0]),
    ]
    figure = learning_figure(group(*records))
    shown = list(panels(figure).values())
    here, there = map(lines, shown)
    (line,) = here["n2n"]
    np.testing.assert_array_equal(line.get_xydata(), [[0, 3], [100, 1]])
    (band,) = bands(shown[0])
    np.testing.assert_array_equal(band, [[2, 9], [1, 4]])
    assert len(bands(shown[1])) == 1  # a single seed has none
    colour = line.get_color()
    assert [one.get_color() for one in there["n2n"]] == [colour]
    assert there["supervised"][0].get_color() != colour
    assert figure is not None
    assert [text.replace("\n", " ") for text in legend(figure)] == [
        "n2n (median of 3 seeds, band: their range)",
        "supervised",
    ]
    assert [handle.get_color() for handle in figure.legends[0].get_lines()] == [
        colour,
        there["supervised"][0].get_color(),
    ]


def test_a_seed_counts_between_its_points_and_not_beyond_them() -> None:
    records = [record("n2n", 1e5, 0, learning={"step": [0, 20, 40], "loss": [8.0, 6.0, 4.0]})]
    records.append(record("n2n", 1e5, 1, learning={"step": [0, 10, 20], "loss": [4.0, 3.0, 2.0]}))
    (axes,) = panels(learning_figure(group(*records))).values()
    np.testing.assert_array_equal(lines(axes)["n2n"][0].get_xydata(), [[0, 6], [10, 5], [20, 4], [40, 4]])


# -- what tuning tried ---


def tuned(
    config: str,
    tried: Mapping[str, float | None],
    chosen: str,
    noise: float | None = 1e5,
    seed: int = 0,
    **changes: Any,
) -> Record:
    """A tuned row; parameters are given as JSON."""
    trials = [trial(json.loads(text), value) for text, value in tried.items()]
    return record(config, noise, seed, trials=trials, tuned=json.loads(chosen), **changes)


def test_a_sweep_shows_each_value_and_rings_the_chosen_one() -> None:
    beta = {'{"beta": 25.0}': 2.5, '{"beta": 0}': 9.0, '{"beta": 50.0}': None, '{"beta": 12.5}': 3.0}
    other = {'{"sigma_px": 1}': 5.0, '{"sigma_px": 100}': 4.0}
    records = [
        tuned("n2n", beta, '{"beta": 25.0}', 1e5),
        tuned("n2n", {**beta, '{"beta": 0}': 1.0}, '{"beta": 0}', 2e5),
        tuned("gaussian", other, '{"sigma_px": 100}', 1e5),
    ]
    figure = sweep_figure(group(*records))
    shown = panels(figure)
    n2n, gaussian = "n2n\nvalidation score against beta", "gaussian\nvalidation score against sigma_px"
    assert set(shown) == {("noise 1e5", n2n), ("noise 2e5", n2n), ("noise 1e5", gaussian)}
    (line,) = lines(shown["noise 1e5", n2n])["n2n"]
    np.testing.assert_array_equal(line.get_xydata(), [[0, 9], [12.5, 3], [25, 2.5]])  # in order, without what failed
    assert line.get_linestyle() == "-"
    assert rings(shown["noise 1e5", n2n]) == [(25, 2.5)]
    assert rings(shown["noise 2e5", n2n]) == [(0, 1)]
    assert shown["noise 1e5", n2n].get_xscale() == "linear"
    assert shown["noise 1e5", gaussian].get_xscale() == "log"
    assert legend(figure) == []


def test_what_was_stopped_is_hollow_beside_the_curve() -> None:
    whole = [trial({"s": s, "t": t}, value) for s, t, value in ((1, 10, 3.0), (1, 20, 2.0), (2, 10, 5.0))]
    so_far = {(2, 20): 1.0, (3, 10): 7.0, (3, 20): 6.0}  # of fewer cases: even one below all others did not win
    stopped = [
        Trial(parameters={"s": s, "t": t}, value=None, so_far=mean, scored_on=1, cases=3)
        for (s, t), mean in so_far.items()
    ]
    made = record("tips", 1e5, trials=[*whole, *stopped], tuned={"s": 1, "t": 20}, tuned_by=objective("rmse"))
    figure = sweep_figure(group(made, record("none", 1e5)))
    along_s, along_t = panels(figure).values()
    np.testing.assert_array_equal(lines(along_s)["tips"][0].get_xydata(), [[1, 2], [2, 5]])
    assert hollow(along_s) == [[3, 6]]
    assert hollow(along_t) == []
    assert rings(along_s) == [(1, 2)]
    assert legend(figure) == ["stopped: can no longer win"]


@pytest.mark.parametrize(
    ("values", "chosen", "along_s"),
    [
        ([5, 4, 2, 3], 2, [4, 2]),  # lower is better
        ([5, 4, 2, 3], 0, [5, 3]),  # higher
        ([-5, 1, -2, 3], 1, [1, -2]),  # nearer to zero
    ],
)
def test_a_value_of_one_parameter_is_shown_with_the_best_of_the_others(
    values: list[float], chosen: int, along_s: list[float]
) -> None:
    texts = [json.dumps({"sigma_s_px": s, "mode": "x", "sigma_t_hu": t}) for s in (1, 2) for t in (10, 20)]
    records = [tuned("tips", dict(zip(texts, values, strict=True)), texts[chosen])]
    shown = panels(sweep_figure(group(*records)))
    assert [text.rpartition(" ")[2] for _, text in shown] == ["sigma_s_px", "sigma_t_hu"]  # no axis for text
    axes = next(iter(shown.values()))
    np.testing.assert_array_equal(lines(axes)["tips"][0].get_ydata(), along_s)
    assert rings(axes) == [(1 + chosen // 2, values[chosen])]


@pytest.mark.parametrize(("better", "along_s"), [("lower", [-5, -2]), ("higher", [1, 3]), ("zero", [1, -2])])
def test_which_way_is_better_is_what_the_results_say_whatever_was_chosen(better: Any, along_s: list[float]) -> None:
    texts = [json.dumps({"s": s, "t": t}) for s in (1, 2) for t in (10, 20)]
    tried = dict(zip(texts, (-5.0, 1.0, -2.0, 3.0), strict=True))
    for chosen in (texts[0], texts[3], '{"s": 9, "t": 9}'):
        made = tuned("tips", tried, chosen, tuned_by=objective("rmse", "cbf", better))
        axes = next(iter(panels(sweep_figure(group(made))).values()))
        np.testing.assert_array_equal(lines(axes)["tips"][0].get_ydata(), along_s)


@pytest.mark.parametrize(
    ("metric", "at_map", "on_y"),
    [
        ("rmse", "cbv", "validation RMSE CBV (mL/100 g)"),
        ("rmse_noiseless", "cbf", "validation RMSE noiseless CBF\n(mL/100 g/min)"),  # too long for a line
        ("dice", "cbf", "validation dice"),
        ("failed", "cbf", "validation failed"),
    ],
)
def test_a_sweep_says_which_score_it_shows_and_in_what_units(metric: str, at_map: str, on_y: str) -> None:
    scores = {name: rmse([4.0, 6.0]) for name in ("rmse", "rmse_noiseless")}
    scores["dice"] = score([0.5, 0.6], ["case"], "1", "higher")
    by = objective(metric, at_map)
    made = tuned("n2n", {'{"b": 0}': 3.0, '{"b": 1}': 2.0}, '{"b": 1}', scores=scores, tuned_by=by)
    figure = sweep_figure(group(made))
    assert figure is not None
    (axes,) = figure.axes
    assert axes.get_ylabel() == f"n2n\n{on_y}"


def test_what_lies_on_no_grid_is_points() -> None:
    texts = [json.dumps({"a": a, "b": 7.0 - a * a}) for a in (0.3, 0.1, 0.2)]
    records = [tuned("tpe", dict(zip(texts, (3, 2, 1), strict=True)), texts[2])]
    for axes in panels(sweep_figure(group(*records))).values():
        (line,) = lines(axes)["tpe"]
        assert line.get_linestyle() == "None"
        assert line.get_marker() == "."
        assert list(np.diff(line.get_xdata()) > 0) == [True, True]


def test_a_sweep_of_several_seeds_is_a_median_with_a_band_and_each_choice_is_ringed() -> None:
    tried = [{'{"b": 0}': 3.0, '{"b": 1}': 2.0}, {'{"b": 0}': 1.0, '{"b": 1}': 4.0, '{"b": 2}': 7.0}]
    records = [tuned("n2n", tried[0], '{"b": 1}'), tuned("n2n", tried[1], '{"b": 0}', seed=1)]
    figure = sweep_figure(group(*records))
    (axes,) = panels(figure).values()
    (line,) = lines(axes)["n2n"]
    np.testing.assert_array_equal(line.get_xydata(), [[0, 2], [1, 3], [2, 7]])
    corners = axes.collections[0].get_paths()[0].vertices
    assert {tuple(corner) for corner in corners} == {(0, 1), (0, 3), (1, 2), (1, 4), (2, 7)}
    assert rings(axes) == [(1, 2), (0, 1)]
    assert figure is not None
    assert figure.get_suptitle().replace("\n", " ") == (
        "phantom: tuning on the validation split, the chosen value ringed; "
        "of several seeds the median, with their range as a band"
    )


def test_points_of_several_seeds_that_lie_on_no_grid_stay_points() -> None:
    texts = [json.dumps({"a": a, "b": 7.0 - a * a}) for a in (0.3, 0.1, 0.2)]
    records = [tuned("tpe", dict(zip(texts, (3, 2, 1), strict=True)), texts[2], seed=seed) for seed in (0, 1)]
    for axes in panels(sweep_figure(group(*records))).values():
        assert [line.get_linestyle() for line in lines(axes)["tpe"]] == ["None", "None"]
        assert len(rings(axes)) == 2
        assert bands(axes) == []


def test_a_choice_that_no_trial_holds_is_not_ringed() -> None:
    records = [tuned("n2n", {'{"b": 0}': 3.0, '{"b": 1}': 2.0}, '{"b": 5}')]
    (axes,) = panels(sweep_figure(group(*records))).values()
    assert rings(axes) == []
    assert len(lines(axes)["n2n"]) == 1


# -- scores over time ---


def timed(config: str, table: Any, noise: float | None = 1e5, seed: int = 0, **more: Any) -> Record:
    frames = score(table, ["case", "time"], "HU", time=[0.0, 1.5, 3.0])
    return record(config, noise, seed, scores={"frame_rmse": frames, **more})


def test_a_score_over_time_is_the_mean_over_cases_and_seeds() -> None:
    per_case = score([1.0, 2.0], ["case"])
    frames = [[1.0, 2.0, np.nan], [3.0, 6.0, 5.0]]
    records = [
        timed("none", frames, psnr=per_case),
        timed("none", [[2.0, 4.0, 6.0]] * 2, seed=1),
        timed("n2n", [[1.0, 1.0, 1.0]] * 2, 2e5),
        record("ttv", 1e5, scores={"frame_rmse": inapplicable()}),
        record("broken", 1e5, status="crashed"),
    ]
    figure = score_figure(group(*records), "time")
    shown = panels(figure)
    what = "frame RMSE (HU) against time (s)"
    assert list(shown) == [("noise 1e5", what), ("noise 2e5", what)]
    (line,) = lines(shown["noise 1e5", what])["none"]
    np.testing.assert_array_equal(line.get_xydata(), [[0, 2], [1.5, 4], [3, 5.75]])
    assert list(lines(shown["noise 1e5", what])) == ["none"]
    assert list(lines(shown["noise 2e5", what])) == ["n2n"]
    assert shown["noise 1e5", what].get_ylim()[0] == 0
    assert legend(figure) == ["none", "n2n"]


def bands(axes: Axes) -> list[np.ndarray]:
    """The ends of each band of a panel by its points, (point, low and high)."""
    corners = [collection.get_paths()[0].vertices for collection in axes.collections]
    return [np.array([sorted({y for x, y in each if x == at}) for at in sorted(set(each[:, 0]))]) for each in corners]


@pytest.mark.parametrize("patients", [LEAST_PATIENTS - 1, LEAST_PATIENTS, 9])
def test_a_band_is_students_interval_over_patients_where_there_are_enough(patients: int) -> None:
    cases = [f"p{patient}/{case}" for patient in range(patients) for case in range(2)]
    values = np.random.default_rng(3).uniform(1, 5, (len(cases), 3))
    made = changed(timed("none", values.tolist()), cases=cases, patients=[case[:2] for case in cases], timings={})
    figure = score_figure(group(made), "time")
    (axes,) = panels(figure).values()
    by_patient = values.reshape(patients, 2, 3).mean(axis=1)
    np.testing.assert_allclose(lines(axes)["none"][0].get_ydata(), by_patient.mean(axis=0))
    assert figure is not None
    if patients < LEAST_PATIENTS:
        assert bands(axes) == []
        assert figure.get_suptitle() == "phantom: mean over patients"
        return
    (band,) = bands(axes)
    expected = stats.t.interval(
        0.95, patients - 1, by_patient.mean(axis=0), by_patient.std(axis=0, ddof=1) / np.sqrt(patients)
    )
    np.testing.assert_allclose(band, np.transpose(expected))
    assert figure.get_suptitle() == "phantom: mean over patients with its 95% interval"


def test_a_difference_over_time_may_be_negative() -> None:
    (axes,) = panels(score_figure(group(timed("n2n", [[1.0, -2.0, 1.0]] * 2)), "time")).values()
    assert axes.get_ylim()[0] < -2


def test_a_dataset_without_noise_levels_has_one_column_without_a_title() -> None:
    made = tuned("n2n", {'{"b": 0}': 3.0, '{"b": 1}': 2.0}, '{"b": 1}', None)
    made = changed(made, scores=timed("n2n", np.ones((2, 3))).scores, learning={"step": [0], "loss": [1.0]})
    for make in (learning_figure, sweep_figure, partial(score_figure, dim="time")):
        assert [title for title, _ in panels(make(group(made)))] == [""]


# -- pictures ---


def test_a_picture_is_drawn_where_there_is_something_to_show(tmp_path: Path) -> None:
    records = [
        logged("n2n", loss=[2.0, 1.0]),
        record("gaussian", dataset="real"),
        tuned("gaussian", {'{"s": 1}': 3.0, '{"s": 2}': 2.0}, '{"s": 2}', dataset="a%b c"),
        changed(timed("none", np.ones((2, 3)), None), dataset="time-x"),
    ]
    drawn = draw_curves(build(records, {}), tmp_path / "new")
    assert [path.name for path in drawn] == ["learning-phantom.png", "sweep-a%25b c.png", "time-time-x.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in drawn)
    for path in drawn:
        assert np.asarray(imread(path)).ndim == 3


def test_nothing_to_show_is_no_picture(tmp_path: Path) -> None:
    lost = record("n2n", learning={"step": [0, 1], "loss": [None, None]})
    failed = tuned("misbehave", {'{"b": 0}': None, '{"b": 1}': None}, "{}", status="error")
    fixed = tuned("one", {'{"b": 0}': 1.0}, '{"b": 0}')
    for records in ([], [record("none")], [lost], [failed], [fixed]):
        assert draw_curves(build(records, {}), tmp_path / "new") == []
    assert not (tmp_path / "new").exists()


def test_any_label_can_be_drawn(tmp_path: Path) -> None:
    labels = ["_hidden", "$x^$", "a_very_long_label(" + "sigma_t_hu=11.25, " * 9 + ")", "two\nlines", "", *"abcdefgh"]
    records = []
    for i, label in enumerate(labels):
        odd = i < 5
        made = tuned(label, {'{"b": 0}': 3.0, '{"b": 1}': 2.0}, '{"b": 1}') if odd else record(label, 1e5)
        records.append(changed(made, learning={"step": [0, 1], label if odd else "loss": [i + 2.0, 1.0]}))
    tree = build(records, {})
    assert len(draw_curves(tree, tmp_path)) == 2
    texts = legend(learning_figure(tree["phantom"]))
    assert texts[:2] == labels[:2]
    assert len(texts) == len(labels)
    assert [" ".join(text.split()) for text in texts] == [" ".join(label.split()) for label in labels]  # none is cut
    assert max(len(line) for text in texts for line in text.split("\n")) <= 44


def test_a_run_is_drawn_from_its_records(tmp_path: Path) -> None:
    from ctpbench.report.drawing import draw

    gone = Entries(observation="gone", reference="gone", prediction="gone")
    made = changed(logged("n2n", loss=[2.0, 1.0]), entries=gone)
    store = Store(tmp_path)
    store.write_record(made)
    store.write_plan(index_of([made]), "")
    assert draw(store) == [tmp_path / "curves" / "learning-phantom.png"]
