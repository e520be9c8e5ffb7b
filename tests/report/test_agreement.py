"""The page's section on agreement and its pictures say what the numbers say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from ctpbench.outcome.agreement import Agreement
from ctpbench.outcome.results import open_results
from ctpbench.report.agreement import agreement_markdown
from ctpbench.report.differences import differences_figure, draw_agreement
from ctpbench.report.drawing import draw
from ctpbench.report.folder import agreement_line, page, render
from ctpbench.running.record import Record
from ctpbench.running.store import Store
from tests.outcome.records import changed, index_of, record
from tests.outcome.test_agreement import OFF_ML, TRUE_ML, TRUE_YES, YES, decided, held, read


def readers(config: str, scale: float, **changes: object) -> Record:
    """A row with volumes and decisions of eight patients."""
    made = read(config, TRUE_ML + scale * OFF_ML, **changes)
    treat = decided(config, YES[:8], TRUE_YES[:8]).scores
    scores = {name: table.model_dump() for name, table in {**made.scores, **treat}.items()}
    return changed(made, scores=scores)


def test_numbers_and_decisions_have_a_table_each():
    lines = agreement_markdown(held(readers("a", 1.0), readers("b|c", 0.1))).splitlines()
    assert lines[:5] == [
        "## Agreement",
        "",
        "### phantom, noise 2e5",
        "",
        "| What | Against | Method | Patients | Bias | Limits | ICC |",
    ]
    assert lines[5] == "| :--- | :--- | :--- | ---: | ---: | ---: | ---: |"
    (core, _) = held(read("a", TRUE_ML + OFF_ML))
    low, high = core.limits.bias.interval.low, core.limits.bias.interval.high
    sd = OFF_ML.std(ddof=1)
    limits = f"{1 - 1.96 * sd:.2f} to {1 + 1.96 * sd:.2f}"
    icc = f"{core.icc.value:.3f} [{core.icc.interval.low:.3f}, {core.icc.interval.high:.3f}]"
    bias = f"1.00 [{low:.2f}, {high:.2f}]"
    assert OFF_ML.mean() == 1
    assert lines[6] == f"| volume core (mL) | truth | a | 8 | {bias} | {limits} | {icc} |"
    assert lines[7].startswith(r"| volume core (mL) | truth | b\|c | 8 | 0.10 [")
    assert lines[8].startswith("| volume penumbra (mL) | truth | a | 8 | 2.0 [")
    assert "| What | Against | Method | Patients | Agreed | Kappa |" in lines
    assert any(line.startswith("| treat | right | a | 8 | 0.75 | 0.50 [") for line in lines)
    assert any(
        line.startswith("Bias: mean difference, method less reference \\[95% interval over patients].")
        for line in lines
    )
    assert "readings" not in lines[-2]
    assert agreement_markdown([]) == ""


def test_many_rows_are_folded_and_draws_are_told():
    rows = [readers(f"r{i}", 1.0 + i) for i in range(5)]
    text = agreement_markdown(held(*rows))
    assert "<details>\n<summary>volume core, volume penumbra, treat</summary>\n\n| What |" in text
    assert text.rstrip().endswith("</details>")
    assert "<details>" not in agreement_markdown(held(*rows[:4]))
    drawn = read("a", np.repeat(TRUE_ML, 2) + np.tile(OFF_ML, 2), draws=2)
    text = agreement_markdown(held(drawn))
    assert (
        "Each patient has up to 2 readings (cases, seeds), held against the reference one by one; shown are means."
        in text
    )


def test_what_is_missing_is_told_with_its_reason():
    text = agreement_markdown(held(readers("a", 1.0), readers("exact", 0.0)))
    assert "| volume core (mL) | truth | exact | 8 | 0.00 | 0.00 to 0.00 | 1.000 |" in text
    assert "No interval or no value: all 8 patients have the same difference (exact)." in text
    assert "No interval or no value: the raters always agree (exact)." in text
    few = decided("a", [1, 0, 1], [1, 0, 0])
    assert "No interval or no value: 3 patients; an interval needs 6." in agreement_markdown(held(few))
    assert "| 0.67 | 0.40 |" in agreement_markdown(held(few))


# -- the pictures ---


def numbers(*records: Record) -> list[Agreement]:
    return [one for one in held(*records) if one.quantity == "number"]


def test_each_panel_shows_the_differences_of_its_row_with_bias_and_limits():
    found = numbers(readers("a", 1.0), readers("b", 2.0))
    figure = differences_figure(found)
    panels = np.array(figure.axes).reshape(2, 2)
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["a", "b"]
    assert [axes.get_title() for axes in panels[0]] == [
        "volume core (mL)\nless truth",
        "volume penumbra (mL)\nless truth",
    ]
    for i, scale in enumerate((1.0, 2.0)):
        zero, points, *limits = panels[i, 0].lines
        np.testing.assert_allclose(points.get_ydata(), scale * OFF_ML)
        np.testing.assert_allclose(points.get_xdata(), TRUE_ML + scale * OFF_ML / 2)
        mean, sd = scale * OFF_ML.mean(), scale * OFF_ML.std(ddof=1)
        assert [line.get_ydata()[0] for line in limits] == pytest.approx(
            [mean, mean - 1.96 * sd, mean + 1.96 * sd], rel=1e-4
        )
        assert [line.get_linestyle() for line in limits] == ["-", "--", "--"]
        assert zero.get_ydata()[0] == 0
    assert panels[0, 0].get_ylim() == panels[1, 0].get_ylim()
    assert panels[0, 0].get_ylim() != panels[0, 1].get_ylim()


def test_a_panel_that_a_row_lacks_is_left_blank_and_the_row_is_named_all_the_same():
    found = numbers(readers("a", 1.0), readers("b", 2.0))
    figure = differences_figure([one for one in found if (one.config, one.score.roi) != ("a", "core")])
    panels = np.array(figure.axes).reshape(2, 2)
    assert [axes.get_visible() for axes in panels.flat] == [True, True, False, True]  # b is the first to be named
    assert panels[0, 0].get_ylabel() == "b"
    assert panels[1, 1].get_ylabel() == "a"


def test_a_picture_for_each_dataset_and_level_with_numbers(tmp_path):
    made = [
        readers("a_b$", 1.0, noise=1e5),
        readers("a_b$", 1.0, noise=None, dataset="x y"),
        decided("a", YES, TRUE_YES),
    ]
    drawn = draw_agreement(held(*made), tmp_path / "agreement")
    assert [path.name for path in drawn] == ["phantom-1e5.png", "x y.png"]
    assert np.asarray(imread(drawn[0]))[..., :3].std() > 0
    assert draw_agreement([], tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


# -- a run's folder ---


def written(folder, *records: Record) -> Store:
    store = Store(folder)
    store.write_plan(index_of(records), "")
    for made in records:
        store.write_record(made)
    return store


def test_a_run_has_the_section_the_table_and_the_pictures(tmp_path):
    records = [readers("a", 1.0), readers("b", 2.0)]
    store = written(tmp_path, *records)
    frame = render(store)
    text = (tmp_path / "leaderboard.md").read_text()
    assert text.index("## phantom, noise 2e5") < text.index("## Agreement")
    table = pd.read_csv(tmp_path / "agreement.csv")
    assert table["config"].tolist() == ["a", "b"] * 3
    assert table["bias"].tolist()[:2] == pytest.approx([1.0, 2.0])
    pictures = [tmp_path / folder / "phantom-2e5.png" for folder in ("comparison", "agreement")]
    assert draw(store, frame) == draw(store) == pictures
    assert agreement_line(tmp_path).endswith("leaderboard.md, agreement.csv and agreement/")
    tree = open_results(tmp_path / "results.nc")
    assert page(frame, tree, tmp_path) == text


def test_a_run_without_any_leaves_no_table_of_before(tmp_path):
    render(written(tmp_path, readers("a", 1.0)))
    assert agreement_line(tmp_path)
    render(written(tmp_path, record("a")))
    assert not (tmp_path / "agreement.csv").exists()
    assert agreement_line(tmp_path) == ""
    assert "Agreement" not in (tmp_path / "leaderboard.md").read_text()
