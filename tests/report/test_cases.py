"""The page's section on cases shows their numbers, and marks those that are far from the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.quality import case_tables
from ctpbench.outcome.results import build
from ctpbench.report.cases import cases_markdown
from ctpbench.report.folder import page
from ctpbench.running.record import Record
from tests.outcome.records import record, rmse

NOISE_HU = [8.0, 8.1, 7.9, 8.2, 7.8, 12.0]
ERRORS = [1.0, 1.1, 0.9, 1.0, 1.2, 4.8]


def ward(config: str, **changes: Any) -> Record:
    cases = [f"c{i}" for i in range(6)]
    quality = {
        "noise_hu": NOISE_HU,
        "aif_peak_hu": [310.4, 280.0, 305.0, None, 290.0, 300.0],
        "aif_time_to_peak_s": [12.0] * 6,
        "core_ml": [0.0, 0.0, 0.0, 0.0, 12.5, 0.0],
    }
    plain = {"cases": cases, "patients": cases, "timings": {}, "scores": {"rmse": rmse(ERRORS)}, "quality": quality}
    return record(config, **(plain | changes))


def section(*records: Record) -> str:
    tree = build(records, {})
    return cases_markdown(case_tables(tree, leaderboard(tree)))


def test_each_case_is_a_row_and_what_is_far_from_the_others_is_bold():
    lines = section(ward("a"), ward("b")).splitlines()
    assert lines[:13] == [
        "## Cases",
        "",
        "<details>",
        "<summary>phantom, noise 2e5: 6 cases, 1 of them marked</summary>",
        "",
        "| Case | Noise (HU) | AIF peak (HU) | AIF time to peak (s) | Core (mL) | Share of RMSE CBF (%) |",
        "| :--- | ---: | ---: | ---: | ---: | ---: |",
        "| c0 | 8.0 | 310 | 12.0 | 0.0 | 10.0 |",
        "| c1 | 8.1 | 280 | 12.0 | 0.0 | 11.0 |",
        "| c2 | 7.9 | 305 | 12.0 | 0.0 | 9.0 |",
        "| c3 | 8.2 |  | 12.0 | 0.0 | 10.0 |",
        "| c4 | 7.8 | 290 | 12.0 | 12.5 | 12.0 |",
        "| c5 | **12.0** | 300 | 12.0 | 0.0 | **48.0** |",
    ]
    assert lines[13:] == [
        "",
        "Share: what a case carries of the mean RMSE CBF of a, the row in the middle. Bold: further from the median of "
        "the cases than 3 robust standard deviations (1.4826 median absolute deviations).",
        "",
        "</details>",
    ]


def test_patients_are_named_where_they_are_not_the_cases_and_only_what_is_known_is_shown():
    text = section(ward("a|b", patients=[f"p{i // 2}" for i in range(6)], quality={"brain_ml": [1e3] * 5 + [None]}))
    assert "| Case | Patient | Brain (mL) | Share of RMSE CBF (%) |" in text
    assert "| c1 | p0 | 1000 |" in text
    assert "c5" not in text  # of which nothing is known at this level
    assert r"of a\|b, the row in the middle" in text
    assert "5 cases</summary>" in text
    assert "Bold" not in text


def test_results_of_before_have_no_section(tmp_path):
    tree = build([ward("a", quality={})], {})
    frame = leaderboard(tree)
    assert cases_markdown(case_tables(tree, frame)) == ""
    assert "## Cases" not in page(frame, tree, tmp_path)
    now = build([ward("a")], {})
    text = page(leaderboard(now), now, tmp_path)
    assert text.index("## phantom, noise 2e5") < text.index("## Cases")


def test_a_level_without_a_ranking_score_has_its_cases_all_the_same():
    text = section(ward("a", scores={"rmse": rmse([np.nan] * 6)}))
    assert "Share" not in text
    assert "| c5 | **12.0** |" in text
