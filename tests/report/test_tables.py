"""The leaderboard's tables say what the numbers say, in Markdown and on a terminal."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
from rich.console import Console

from ctpbench.outcome.results import build
from ctpbench.report.tables import print_table, scans_markdown, to_markdown
from tests.outcome.test_leaderboard import board, scored, study
from tests.outcome.test_results import record, score


def test_markdown_for_people() -> None:
    text = to_markdown(
        board(*study(), record("none", None, dataset="real", scores={"cnr": score([0.5, 1.5], ["case"])}))
    )
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("## ")] == [
        "## phantom, noise 1e5",
        "## phantom, noise 1e6",
        "## real",
    ]
    table = lines[lines.index("## phantom, noise 1e5") + 2 :]
    assert table[0].startswith(
        "| Rank | Method | Tuned | RMSE CBF (mL/100 g/min) | RMSE CBV (mL/100 g) | RMSE MTT (s) | SSIM CBF |"
    )
    assert table[1] == "| ---: | :--- | :--- |" + " ---: |" * 7 + " :--- |"
    assert table[2].startswith("| 1 | tips(sigma_t_hu=11.25, sigma_s_px=3) |  | **4.78 ± 0.68** | **0.335 ± 0.047** |")
    assert table[2].endswith("| 0.230 | ok |")
    assert "beta_space_hu2s=3, beta_time_hu2s=0.1 (edge) | 9.49 ± 1.34 |" in table[4]
    assert r"| 0.230\* | ok |" in table[4]
    assert table[6] == "|  | broken |  |  |  |  |  |  |  |  | timeout |"
    assert table[8].startswith(
        "Ranked by RMSE CBF, lower is better. Scores: mean ± standard deviation over 2 cases. s/case:"
    )
    assert r"\*: timed while other cells ran" in table[8]
    assert "(edge): the end of the values tried" in table[8]
    assert table[10] == r"- broken: timeout: took \| longer than 600 s"
    assert "| 1 | none |  | 1.000 ± 0.707 | 0.230 | ok |" in lines


def test_digits_are_common_to_a_column_yet_none_is_lost() -> None:
    values = {"a": 12345.6, "b": 1234.5, "c": 0.0123, "d": 0.0}
    text = to_markdown(board(*(record(c, scores={"m": score([v, v], ["case"])}) for c, v in values.items())))
    shown = [line.split("|")[4].strip().strip("*").split(" ±")[0] for line in text.splitlines() if "| ok |" in line]
    assert shown == ["0", "0.012", "1234", "12346"]


def printed(frame: pd.DataFrame, **options: Any) -> str:
    stream = io.StringIO()
    print_table(frame, Console(file=stream, width=100, **options))
    return stream.getvalue()


def test_the_terminal_shows_everything_within_100_columns() -> None:
    text = printed(board(*study()))
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    for expected in ("4.78", "0.335", "9.49", "0.230*", "timeout", "sigma_s_px=3", "beta_time_hu2s=0.1"):
        assert expected in text
    assert "broken: timeout: took | longer" in text


def test_the_best_is_bold_and_only_where_there_is_a_choice() -> None:
    styled = printed(board(*study()), force_terminal=True, color_system="standard")
    assert "\x1b[1m 4.78\x1b[0m" in styled
    assert "\x1b[1m 5.57\x1b[0m" not in styled
    assert "**" not in to_markdown(board(record("alone")))
    failed = record("lucky", seed=1, status="error")
    text = to_markdown(board(scored("lucky", [0.1, 0.3]), failed, scored("a", [5.0, 5.0]), scored("b", [6.0, 6.0])))
    assert "| 1 | a |  | **5.000 ± 0.000** |" in text
    assert "|  | lucky |  | 0.200 ± 0.141 |" in text


def test_a_run_without_finished_cells_says_so() -> None:
    assert "No cell has finished." in to_markdown(board())
    assert printed(board()).strip() == "No cell has finished."


def test_a_run_in_which_all_failed_is_not_ranked() -> None:
    text = to_markdown(board(record("a", status="skipped"), record("b", status="error", cases=[])))
    assert "Not ranked: no score applies. s/case" in text
    assert "- b: error: it failed" in text


def test_a_description_comes_first_and_training_time_is_told() -> None:
    learnt = record("n2n", timings={"fit_s": 216.4})
    text = to_markdown(board(learnt, record("none")), "A *study*.\n")
    assert text.startswith("# Leaderboard\n\nA *study*.\n\n## ")
    assert "Trained in: n2n 216 s." in text
    assert "Trained" not in to_markdown(board(*study()))


def test_warnings_of_recorded_scans_are_told() -> None:
    quiet, filtered = {"warnings": "", "frames": 40}, {"warnings": "filtered in time: by 0.5", "frames": 40}
    records = [record("none", 0.5, inspections={"case_1": quiet, "case_2": filtered}), record("tips", 0.5)]
    assert scans_markdown(build(records, {})).splitlines() == [
        "## Recorded scans",
        "",
        "phantom: of 2 inspected scans 1 have warnings.",
        "",
        "- phantom, case_2, noise 0.5: filtered in time: by 0.5",
    ]
    assert scans_markdown(build([record("none")], {})) == ""
