"""The leaderboard's tables say what the numbers say, in Markdown and on a terminal."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from ctpbench.contract.components import Better
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.results import build
from ctpbench.report.tables import print_table, scans_markdown, to_markdown
from ctpbench.running.record import Record, ScoreTable, Trial
from tests.outcome.records import changed, held_against, inapplicable, record, score
from tests.outcome.test_leaderboard import board, scored, study, ward


def by_rmse(*records: Record) -> pd.DataFrame:
    return board(*records, rank_by="rmse_cbf")


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
    assert table[2].startswith("| 1 | tips(sigma_t_hu=11.25, sigma_s_px=3) |  | **4.78** | **0.335** |")
    assert table[2].endswith("| 0.230 | ok |")
    assert "beta_space_hu2s=3, beta_time_hu2s=0.1 (edge) | 9.49 |" in table[4]
    assert r"| 0.230\* | ok |" in table[4]
    assert table[6] == "|  | broken |  |  |  |  |  |  |  |  | timeout |"
    assert table[8].startswith(
        "Ranked by RMSE CBF, lower is better. Scores: mean over 2 patients. No interval: 2 patients; one needs 6."
    )
    assert r"\*: timed while other cells ran" in table[8]
    assert "(edge): the end of the values tried" in table[8]
    assert table[10] == r"- broken: timeout: took \| longer than 600 s"
    assert "| 1 | none |  | 1.000 | 0.230 | ok |" in lines


def test_digits_are_common_to_a_column_yet_none_is_lost() -> None:
    values = {"a": 12345.6, "b": 1234.5, "c": 0.0123, "d": 0.0}
    text = to_markdown(board(*(record(c, scores={"m": score([v, v], ["case"])}) for c, v in values.items())))
    shown = [line.split("|")[4].strip().strip("*").split(" ±")[0] for line in text.splitlines() if "| ok |" in line]
    assert shown == ["0", "0.012", "1234", "12346"]


def printed(frame: pd.DataFrame, **options: Any) -> str:
    stream = io.StringIO()
    print_table(frame, Console(file=stream, **{"width": 100, **options}))
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
    assert "| 1 | a |  | **5.000** |" in text
    assert "|  | lucky |  | 0.200 |" in text


def test_at_50_columns_labels_are_legible_and_nothing_is_lost() -> None:
    text = printed(board(*study(), ward("gaussian(sigma_px=2.25)", 4.0, noise=1e4)), width=50)
    assert max(map(len, text.splitlines())) <= 50
    for whole in ("tips(sigma_t_hu=11.25,", "sigma_s_px=3)", "gaussian(sigma_px=2.25)", "4.78", "0.335", "0.230*"):
        assert whole in text
    costs = text[text.index("s/case   Status") :].split("Ranked by")[0]
    assert [line.split()[-1] for line in costs.splitlines() if "0.230" in line] == ["ok"] * 4
    assert "timeout" in costs
    assert "Status" not in text[: text.index("s/case   Status")]


def test_what_failed_alike_is_told_once_and_where_it_is_told_elsewhere_not_at_all() -> None:
    frame = board(scored("a", [5.0, 5.0]), *(record(c, status="error", message="no memory") for c in "bc"))
    assert "- b, c: error: no memory" in to_markdown(frame).splitlines()
    assert printed(frame).count("no memory") == 1
    stream = io.StringIO()
    print_table(frame, Console(file=stream, width=100), failures=False)
    assert "no memory" not in stream.getvalue()


def test_a_long_message_is_folded_on_the_page_and_cut_on_the_terminal_with_where_the_whole_is() -> None:
    message = "cannot open <x> & " + " ".join(str(number) for number in range(400))
    frame = board(scored("a", [5.0, 5.0]), record("b", status="error", message=message))
    page = to_markdown(frame)
    (summary,) = [line for line in page.splitlines() if line.startswith("  <summary>")]
    assert summary.startswith("  <summary>b: error: cannot open &lt;x&gt; &amp; 0 1 2")
    assert len(summary) < 160
    assert page.count("398 399") == 1
    text = " ".join(printed(frame).split())
    assert "398 399" not in text
    assert "What is cut is whole in leaderboard.md, and by `ctpbench status`." in text
    assert "What is cut" not in printed(board(*study()))


# -- every metric is shown ---------------------------------------------------------------------------------------------

MAPS = ["cbf", "cbv", "mtt", "ttp", "tmax"]
FAULT = "error: ZeroDivisionError: division by zero"


def everything(config: str, **changes: Any) -> Record:
    """A cell with all kinds of metric; every number is another, so that it is known where it is shown."""
    start = changes.pop("start", 1.0)
    numbers = iter(np.arange(start, start + 1000))

    def mapped(units: str = "map", better: Better = "lower") -> ScoreTable:
        return score([[next(numbers) for _ in MAPS]], ["case", "map"], units, better, map=MAPS)

    scores = {
        "bias": mapped(better="zero"),
        "ccc": mapped("1", "higher"),
        "frame_rmse": score([[next(numbers)] * 2], ["case", "time"], "HU", time=[0.0, 1.5]),
        "lesion_dice": score([[next(numbers)] * 2], ["case", "roi"], "1", "higher", roi=["core", "penumbra"]),
        "mae": mapped(),
        "psnr": mapped("dB", "higher"),
        "delay_error": score([[next(numbers)] * 2], ["case", "map"], "s", map=["ttp", "tmax"]),
        "rmse": mapped(),
        "ssim": mapped("1", "higher"),
    }
    return record(config, cases=["slice"], **{"scores": scores, **changes})


def headers(text: str) -> list[list[str]]:
    """The titles of the score columns of each Markdown table, without units."""
    fixed = {"Rank", "Method", "Tuned", "s/case", "Status"}
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| Rank")]
    return [[title.split(" (")[0] for title in row if title not in fixed] for row in rows]


EXPECTED = [
    ["RMSE CBF", "RMSE CBV", "RMSE MTT", "bias CBF", "bias CBV", "bias MTT"],
    ["CCC CBF", "CCC CBV", "CCC MTT", "frame RMSE", "lesion dice core", "lesion dice penumbra"],
    ["MAE CBF", "MAE CBV", "MAE MTT", "PSNR CBF", "PSNR CBV", "PSNR MTT"],
    ["delay error TTP", "delay error Tmax", "SSIM CBF", "SSIM CBV", "SSIM MTT"],
]
FOLDED = [
    ["RMSE TTP", "RMSE Tmax", "bias TTP", "bias Tmax", "CCC TTP", "CCC Tmax"],
    ["MAE TTP", "MAE Tmax", "PSNR TTP", "PSNR Tmax", "SSIM TTP", "SSIM Tmax"],
]


def test_every_metric_is_on_the_page_the_ranking_one_first_then_in_the_suites_order() -> None:
    text = to_markdown(by_rmse(everything("a"), everything("b", start=101.0)))
    before, fold = text.split("<details>\n<summary>Scores at TTP and Tmax</summary>\n")
    assert headers(before) == EXPECTED
    assert headers(fold) == FOLDED
    assert fold.rstrip().endswith("</details>")
    assert "| 1 | a | 6.0 | 7.0 | 8.0 | **11.0** | 12.0 | 12.0 |" in before
    assert "| 2 | b | **106.0** | **107.0** | **108.0** | 111.0 | **112.0** | **112.0** |" in before
    assert "| 1 | a | **27.0** | **28.0** | **4.0** | **5.0** | 9.0 | 10.0 |" in fold
    assert "Mean over time: frame RMSE." in before


def test_another_ranking_score_comes_first_wherever_it_belongs() -> None:
    records = [everything("a"), everything("b", start=101.0)]
    before, fold = to_markdown(board(*records, rank_by="ssim_tmax")).split("<details>")
    assert headers(before)[0] == ["SSIM Tmax", "SSIM CBF", "SSIM CBV", "SSIM MTT"]
    assert "SSIM Tmax" not in fold
    assert "Ranked by SSIM Tmax, higher is better." in before


def test_the_terminal_shows_the_same_without_the_fold_at_any_width() -> None:
    frame = by_rmse(everything("a"), everything("b", start=101.0, tuned={"sigma_t_hu": 11.25, "sigma_s_px": 3.0}))
    folded = (4, 5, 9, 10, 16, 17, 21, 22, 27, 28, 32, 33)
    for width in (60, 80, 100, 120, 300):
        text = printed(frame, width=width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        assert "sigma_t_hu=11.25," in text
        shown = [number for number in range(1, 34) if any(word.startswith(f"{number}.") for word in text.split())]
        assert shown == [number for number in range(1, 34) if number not in folded]


def test_a_row_without_any_score_is_in_the_first_table_alone() -> None:
    text = to_markdown(board(everything("a"), everything("broken", status="crashed", scores={}, message="signal 9")))
    assert [line for line in text.splitlines() if "broken" in line] == [
        "|  | broken |  |  |  |  |  |  |  |  | crashed |",
        "- broken: crashed: signal 9",
    ]


def test_units_are_said_once_for_metrics_that_share_them() -> None:
    text = " ".join(printed(by_rmse(everything("a")), width=300).split())
    assert text.endswith(
        "Units: RMSE, bias, MAE: CBF in mL/100 g/min, CBV in mL/100 g, MTT in s; frame RMSE in HU; PSNR in dB; "
        "delay error in s."
    )


def test_a_metric_without_any_value_here_is_named() -> None:
    made = everything("a")
    none = {**made.scores, "lesion_dice": inapplicable("1")}
    text = to_markdown(board(changed(made, scores=none)))
    assert "Without a value here: lesion dice." in text
    assert "Without a value" not in to_markdown(board(made))


def test_what_ranks_nothing_is_shown_and_never_best() -> None:
    volume = [held_against(score([v, v], ["case"]), "volume", "true_volume") for v in (1.0, 2.0)]
    text = to_markdown(board(*(record(c, scores={"volume": v}) for c, v in zip("ab", volume, strict=True))))
    assert "|  | a |  | 1.000 | 0.230 | ok |" in text
    assert "**" not in text
    assert "Not ranked: no score applies." in text


# -- metrics that fail -------------------------------------------------------------------------------------------------


def failing(config: str, metric: str, **changes: Any) -> Record:
    made = everything(config, **changes)
    return changed(made, scores={n: t for n, t in made.scores.items() if n != metric}, faults={metric: FAULT})


def test_a_metric_that_failed_says_so_in_its_columns_and_why_below_once() -> None:
    frame = by_rmse(everything("a"), failing("b", "ccc", start=101.0), failing("c", "ccc", start=201.0))
    text = to_markdown(frame)
    table = text[text.index("| Rank | Method | CCC CBF") :].splitlines()
    assert table[3].startswith("| 2 | b | failed | failed | failed | 111")
    assert [line for line in text.splitlines() if "ZeroDivisionError" in line] == [f"- CCC failed in b, c: {FAULT}"]
    assert text.count("failed |") == 2 * 5  # two rows, three maps and two in the fold
    assert "| 2 | b |  | 124" in text  # it keeps its rank and its other scores
    shown = printed(frame, width=100)
    assert shown.count("failed ") == 2 * 3 + 1
    assert f"CCC failed in b, c: {FAULT}" in shown


def test_a_metric_that_failed_in_every_row_has_its_column() -> None:
    records = [failing(config, "ccc") for config in "ab"]
    frame = leaderboard(build(records, {"metrics": list(everything("a").scores)}), "rmse_cbf")
    text = to_markdown(frame)
    assert [row for row in headers(text) if "CCC" in row] == [["CCC", *EXPECTED[1][3:]]]
    assert text.count("failed |") == 2
    assert printed(frame).count("failed ") == 2 + 1


def test_a_metric_that_failed_at_one_level_has_the_columns_of_the_others() -> None:
    frame = by_rmse(everything("a", noise=1e5), failing("a", "ccc", noise=2e5))
    assert [headers(part) for part in to_markdown(frame).split("\n## ")[1:]] == [EXPECTED + FOLDED] * 2


def test_failures_are_told_in_markdown_that_shows_them_as_they_are() -> None:
    made = changed(everything("a"), faults={"x|y*": "error: `a|b` <c>"})
    text = to_markdown(by_rmse(made))
    assert r"- x\|y\* failed in a: error: \`a\|b\` \<c>" in text.splitlines()
    assert r"| SSIM MTT | x\|y\* |" in text


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


def test_patients_make_intervals_ranks_and_a_scale() -> None:
    rows = {"none": 20.0, "good": 6.0, "like": 6.02, "noiseless": 4.0, "harmful": 22.0, "magic": 3.0}
    made = [ward(label, offset, 1 + 0.1 * number) for number, (label, offset) in enumerate(rows.items())]
    text = to_markdown(board(*made))
    lines = text.splitlines()
    (header,) = (line for line in lines if line.startswith("| Rank | Method"))
    assert header.startswith("| Rank | Method | Tuned | RMSE CBF (mL/100 g/min) | 0-1 | RMSE CBV")
    first, second = (next(line for line in lines if f"| {label} |" in line) for label in ("magic", "good"))
    assert re.match(r"\| 1 \| magic \|  \| \*\*3\.\d+ \[\d\.\d+, \d\.\d+\]\*\* \| 1\.06 \|", first)
    assert second.startswith("| 2–3 | good |")
    assert "|  | noiseless |  | 4" in text
    assert "Scores: mean \\[95% interval] over 8 patients (22 cases); ranks with their 95% interval." in text
    assert "Worse than none: harmful. Better than noiseless, which asks for a look: magic." in text
    assert re.search(r"A lead of 0\.\d+ mL/100 g/min over the next row would be seen with a power of 80%", text)
    shown = printed(board(*made), width=150)
    assert "[95% interval]" not in shown
    assert "0-1" in shown


def test_rows_that_are_not_told_apart_from_the_leader_are_marked() -> None:
    frame = board(ward("a", 5.0), ward("b", 5.02, spread=1.2), ward("c", 9.0))
    text = to_markdown(frame)
    assert "| 1–2 | a |" in text
    assert "| 1–2 = | b |" in text
    assert "| 3 | c |" in text
    assert "=: not told apart from the leader (paired t-test over patients, Holm)." in text


def test_what_tuning_saved_is_said_where_it_did() -> None:
    whole = Trial(parameters={"s": 1}, value=2.0, scored_on=8, cases=8)
    stopped = Trial(parameters={"s": 2}, value=None, so_far=9.5, scored_on=3, cases=8)
    tuned = changed(scored("a", [5.0, 5.2]), trials=[whole, stopped])
    said = "Tuning stopped what could no longer win, which saved 5 of 16 cases to denoise; its choice is the same."
    assert said in to_markdown(board(tuned, scored("b", [6.0, 6.5])))
    assert "Tuning stopped" not in to_markdown(board(changed(tuned, trials=[whole])))


def test_few_patients_have_no_interval_and_the_page_says_why() -> None:
    text = to_markdown(board(scored("a", [5.0, 5.2]), scored("b", [6.0, 6.5])))
    assert "No interval: 2 patients; one needs 6." in text
    one = [changed(scored(label, [5.0, 5.2]), patients=["one", "one"]) for label in "ab"]
    assert "Scores: mean over 1 patient (2 cases). No interval: 1 patient; one needs 6." in to_markdown(board(*one))
    unknown = [changed(scored(label, [5.0, 5.2]), patients=[]) for label in "ab"]
    assert "No interval: these results do not say whose each case is." in to_markdown(board(*unknown))
