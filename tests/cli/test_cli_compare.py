"""Rows of a run are held against each other from the command line, as tables and as pictures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.image import imread

from ctpbench.cli import main
from ctpbench.outcome.results import build, save
from ctpbench.outcome.statistics import mean_interval, patients_needed, smallest_difference
from ctpbench.running.record import Record
from ctpbench.running.store import Store
from tests.outcome.records import changed, index_of, record, rmse
from tests.outcome.test_leaderboard import patient_values, ward


def level(noise: float) -> list[Record]:
    rows = {"b": (5.02, 1.2), "a": (5.0, 1.0), "c": (5.9, 1.3), "noiseless": (2.0, 1.0)}
    return [ward(label, offset, spread=spread, noise=noise) for label, (offset, spread) in rows.items()]


RECORDS = [*level(1e5), *level(2e5)[:3], record("c-2", 2e5, status="crashed")]


def store_of(folder: Path, *records: Record) -> Path:
    store = Store(folder)
    store.write_plan(index_of(records), "")
    for made in records:
        store.write_record(made)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with two noise levels and eight patients."""
    return store_of(tmp_path / "run", *RECORDS)


def invoked(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["compare", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


def table(text: str, first: str) -> list[list[str]]:
    """The columns of the table's rows that begin with a word."""
    rows = [line for line in text.splitlines() if line.split()[:1] == [first]]
    return [[part.strip() for part in row.split("  ") if part.strip()] for row in rows]


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("comparison/*"))


def test_every_row_is_held_against_the_leader_at_every_level(run: Path) -> None:
    code, shown, errors = invoked(run)
    assert (code, errors) == (0, "")
    titles = [line for line in shown.splitlines() if line.startswith("phantom")]
    assert titles == [
        f"phantom, noise {n}: RMSE CBF (mL/100 g/min), lower is better; 8 patients" for n in ("1e5", "2e5")
    ]
    rows = table(shown, "a")
    assert [row[1] for row in rows] == ["b", "c", "b", "c"]
    assert [row[-1] for row in rows] == ["no", "yes", "no", "yes"]
    difference = mean_interval(patient_values(RECORDS[2]) - patient_values(RECORDS[1]))
    ends = difference.interval
    assert ends is not None
    assert rows[1][2] == f"{difference.value:.2f} [{ends.low:.2f}, {ends.high:.2f}]"
    assert rows[0][3] == "0.579"
    assert "after Holm over the pairs of the level (3)" in " ".join(shown.split())
    assert "noiseless" not in shown
    assert pictures(run) == ["phantom-1e5.png", "phantom-2e5.png"]
    assert f"Picture: {run}/comparison/phantom-1e5.png" in shown


def test_all_pairs_are_shown_where_it_is_asked(run: Path) -> None:
    _, shown, _ = invoked(run, "--all", "--noise", "2e5")
    assert [row[1] for first in "ab" for row in table(shown, first)] == ["c", "a", "c"]
    assert pictures(run) == ["phantom-2e5-all.png"]


@pytest.mark.parametrize("width", [50, 80, 120])
def test_a_narrow_terminal_breaks_no_number_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    long = "a row that is called after all that it is given"
    run = store_of(tmp_path / "run", ward("a", 5.0), ward(long, 5.9, spread=1.3), ward("[red]_", 6.0, spread=1.1))
    monkeypatch.setenv("COLUMNS", str(width))
    _, shown, _ = invoked(run)
    lines = shown.partition("Picture")[0].splitlines()
    assert max(map(len, lines)) <= width
    heading = next(i for i, line in enumerate(lines) if "First" in line)
    words = " ".join(lines[heading:]).split()
    labels = [word for word in words if word in long.split()]
    assert set(labels) == set(long.split())
    assert "[red]_" in words
    found = re.findall(r"(\d\.\d+)\s+(?:.*\s)?(\[\d\.\d+, \d\.\d+\])", shown)
    assert len(found) == 2
    assert words.count("yes") == 2
    _, shown, _ = invoked(run, long, "a", "--out", tmp_path / "x.png")
    lines = shown.partition("Picture")[0].splitlines()
    assert max(map(len, lines)) <= width
    assert all(len(table(shown, f"p{patient}")[0]) == 4 for patient in range(8))


def test_two_rows_are_shown_patient_by_patient_with_the_patients_that_it_takes(run: Path) -> None:
    code, shown, _ = invoked(run, "c", "a", "--noise", "2e5")
    assert code == 0
    ours, theirs = patient_values(RECORDS[2]), patient_values(RECORDS[1])
    for patient, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert table(shown, f"p{patient}") == [[f"p{patient}", f"{one:.3f}", f"{other:.3f}", f"{other - one:.3f}"]]
    differences = ours - theirs
    assert table(shown, "mean") == [["mean of 8", *(f"{v.mean():.3f}" for v in (ours, theirs, -differences))]]
    said = " ".join(shown.split())
    spread = differences.std(ddof=1)
    assert f"In the mean a is better than c by {differences.mean():.2f} [" in said
    needed, least = patients_needed(spread, differences.mean()), smallest_difference(spread, 8)
    assert f"takes {needed} patients; 8 patients show one of {least:.2f} mL/100 g/min or more." in said
    assert re.search(r"p <0\.001 for this pair, (<0\.001|0\.001) after Holm over the pairs of the level \(3\)", said)
    assert pictures(run) == ["phantom-2e5-c-a.png"]


def test_the_control_may_be_one_of_two_rows_and_a_level_that_lacks_a_row_says_so(run: Path) -> None:
    code, shown, _ = invoked(run, "noiseless", "a")
    assert code == 0
    said = " ".join(shown.split())
    assert "In the mean noiseless is better than a by" in said
    assert "after Holm" not in said  # it is nobody's rival
    assert said.endswith("8 patients no result of noiseless")
    assert pictures(run) == ["phantom-1e5-noiseless-a.png"]


def test_another_score_and_a_file_for_the_picture(run: Path, tmp_path: Path) -> None:
    code, shown, _ = invoked(run, "--by", "rmse_cbv", "--noise", "1e5", "--out", tmp_path / "x" / "mine.png")
    assert code == 0
    assert "RMSE CBV (mL/100 g), lower is better" in shown
    assert shown.rstrip().endswith(f"Picture: {tmp_path / 'x' / 'mine.png'}")
    assert np.asarray(imread(tmp_path / "x" / "mine.png")).ndim == 3
    assert pictures(run) == []
    invoked(run, "--by", "rmse_cbv", "--noise", "1e5")
    assert pictures(run) == ["phantom-1e5-rmse_cbv.png"]


def test_a_results_file_is_printed_and_not_drawn_into(run: Path, tmp_path: Path) -> None:
    board = tmp_path / "board"
    save(build(RECORDS, {}), board / "results.nc")
    code, shown, _ = invoked(board / "results.nc")
    assert code == 0
    assert invoked(board) == (0, shown, "")
    assert "Picture" not in shown
    drawn = [line for line in invoked(run)[1].splitlines() if "Picture" not in line]
    assert [line for line in drawn if line] == [line for line in shown.splitlines() if line]
    assert [path.name for path in board.iterdir()] == ["results.nc"]


def test_few_patients_have_a_line_that_says_why_there_is_no_test(tmp_path: Path) -> None:
    few = [
        record(label, 2e5, dataset="few", scores={"rmse": rmse([4.0, 5.0 + 2 * place])})
        for place, label in enumerate("ab")
    ]
    unknown = [changed(made, dataset="old", key=f"old {made.key}", patients=[]) for made in RECORDS[:3]]
    run = store_of(tmp_path / "run", *few, *unknown)
    code, shown, _ = invoked(run)
    assert code == 0
    assert table(shown, "a")[0] == ["a", "b", "1.00"]
    lines = shown.splitlines()
    assert "No test: 2 patients; one needs 6." in lines
    assert "No test: these results do not say whose each case is." in lines
    assert pictures(run) == ["few-2e5.png"]
    said = " ".join(invoked(run, "a", "b", "--dataset", "few")[1].split())
    needed = patients_needed(2**0.5, 1.0)
    assert "No test: 2 patients; one needs 6. To show a difference of 1.0 mL/100 g/min (p 0.05, one pair, " in said
    assert said.count(f"power 80%) takes {needed} patients. Picture: ") == 1
    old = invoked(run, "a", "b")[1].split("Picture")[1]
    assert "lower is better; patients unknown" in old
    assert [row[0] for row in table(old, "all")] == ["all cases"]
    assert "No test: these results do not say whose each case is." in " ".join(old.split())


def test_rows_that_do_not_differ_would_take_more_patients_than_there_are(tmp_path: Path) -> None:
    made = ward("a", 5.0, noise=1e5)
    values = np.array(made.scores["rmse"].values, dtype=float)[:, 0]
    signs = np.array([1 if int(whose[1:]) % 2 else -1 for whose in made.patients])
    run = store_of(
        tmp_path / "run", made, changed(made, config="b", key="b", scores={"rmse": rmse(list(values + signs))})
    )
    said = " ".join(invoked(run, "a", "b")[1].split())
    assert "takes more than ten million patients; 8 patients show one of" in said
    same = store_of(tmp_path / "same", made, changed(made, config="b", key="b"))
    assert "It is the same in all 8 patients." in " ".join(invoked(same, "a", "b")[1].split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a"], "ROW: got a; allowed: no row, or two different ones"),
        (["a", "a"], "ROW: got a, a; allowed: no row, or two different ones"),
        (["a", "b", "c"], "ROW: got a, b, c; allowed: no row, or two different ones"),
        (
            ["a", "noisless"],
            "ROW: no row 'noisless' that went well (did you mean noiseless?); there are: b, a, c, noiseless",
        ),
        (
            ["--dataset", "phantm"],
            "--dataset: no dataset 'phantm' that is ranked (did you mean phantom?); there are: phantom",
        ),
        (["--noise", "3e5"], "--noise: no noise level 3e5; there are: 1e5, 2e5"),
        (
            ["--by", "rmse_mtt"],
            "no score 'rmse_mtt' to rank by (did you mean rmse_cbv?); there are: rmse_cbf, rmse_cbv",
        ),
        (["--out", "x.png"], "--out x.png: a picture is of one level, got 2; choose by --dataset and --noise"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(words: list[str], expected: str, run: Path) -> None:
    code, shown, errors = invoked(run, *words)
    assert (code, shown, errors.removeprefix("ctpbench: ")) == (2, "", f"{expected}\n")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (
            [changed(made, patients=[]) for made in RECORDS[:2]],
            "the results do not say whose each case is, without which no rows are compared; run the suite again",
        ),
        (
            [changed(made, patients=["p"] * len(made.cases)) for made in RECORDS[:2]],
            "all cases are of 1 patient; rows are held against each other over 2 or more, and a test needs 6",
        ),
        ([record("a", status="crashed")], "no score with a direction has a value, so no row is better than another"),
    ],
)
def test_results_that_cannot_be_compared_say_why(records: list[Record], expected: str, tmp_path: Path) -> None:
    run = store_of(tmp_path / "run", *records)
    assert invoked(run) == (2, "", f"ctpbench: {run}: {expected}\n")


def test_nowhere_is_one_line(tmp_path: Path) -> None:
    code, _, errors = invoked(tmp_path / "nowhere")
    assert (code, errors.count("\n")) == (2, 1)
    assert "nowhere: no such file" in errors


def test_help_gives_an_example() -> None:
    assert "Example: ctpbench compare runs/" in CliRunner().invoke(main, ["compare", "--help"]).stdout
