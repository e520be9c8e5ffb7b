"""Numbers of the cases in the results, and how much of the board's error each case carries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from ctpbench.contract.components import Better
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.quality import CaseTable, case_tables
from ctpbench.outcome.results import build, open_results, save
from ctpbench.running.record import Record
from tests.outcome.records import CASES, changed, record, rmse, score

QUALITY = {"noise_hu": [8.0, None], "brain_ml": [1200.0, 1300.0]}


def tables(*records: Record) -> list[CaseTable]:
    tree = build(records, {})
    return case_tables(tree, leaderboard(tree))


def measured(config: str, values: list[float], **changes: Any) -> Record:
    cases = [f"c{i}" for i in range(len(values))]
    plain = {
        "cases": cases,
        "timings": {},
        "scores": {"rmse": rmse(values)},
        "quality": {"brain_ml": [1.0] * len(values)},
    }
    return record(config, **(plain | changes))


def test_numbers_lie_by_case_and_noise_level_whichever_record_knows_them(tmp_path):
    late = {"noise_hu": [4.0, 5.0], "brain_ml": [1200.0, 1300.0]}
    records = [
        record("skipped", 2e5, status="skipped"),
        record("a", 2e5, quality=QUALITY),
        record("b", 2e5, quality=QUALITY),
        record("a", 1e6, quality={name: values[::-1] for name, values in late.items()}, cases=CASES[::-1]),
        record("a", None, dataset="real"),
    ]
    save(build(records, {}), tmp_path / "results.nc")
    with xr.open_datatree(tmp_path / "results.nc") as tree:
        cases = tree["phantom/cases"].to_dataset().load()
        assert "cases" not in tree["real"].children
    assert cases["noise_hu"].dims == ("case", "noise")
    assert cases["noise_hu"].sel(case=CASES[0]).values.tolist() == [8.0, 4.0]
    assert np.isnan(cases["noise_hu"].sel(case=CASES[1], noise=2e5))
    assert cases["noise_hu"].sel(case=CASES[1], noise=1e6).item() == 5.0
    assert cases["brain_ml"].attrs == {"long_name": "volume of the brain", "units": "mL"}
    assert list(cases.data_vars) == ["noise_hu", "brain_ml"]
    tree = open_results(tmp_path / "results.nc")
    assert tree["phantom/cases"].to_dataset().identical(build(records, {})["phantom/cases"].to_dataset())
    assert len(case_tables(tree, leaderboard(tree))) == 2


def test_a_table_for_each_level_that_knows_anything():
    found = tables(
        record("a", 1e5, quality=QUALITY), record("a", 2e5), record("a", None, dataset="real", quality=QUALITY)
    )
    assert [(table.dataset, table.noise) for table in found] == [
        ("phantom", 1e5),
        ("real", pytest.approx(np.nan, nan_ok=True)),
    ]
    assert found[0].cases == tuple(CASES)
    assert found[0].patients == tuple(f"patient of {case}" for case in CASES)
    assert {name: values.tolist() for name, values in found[0].numbers.items()} == {
        ("noise_hu", "HU"): [8.0, pytest.approx(np.nan, nan_ok=True)],
        ("brain_ml", "mL"): [1200.0, 1300.0],
    }
    assert tables(record("a"), record("b")) == []
    assert tables(changed(record("a", quality=QUALITY), patients=[]))[0].patients == ()


def test_the_share_is_that_of_the_row_in_the_middle_of_the_ranks():
    rows = {"best": [1.0, 1.0, 1.0, 1.0], "middle": [1.0, 2.0, 3.0, 4.0], "worst": [9.0, 9.0, 9.0, 90.0]}
    (table,) = tables(*(measured(config, values) for config, values in rows.items()))
    assert (table.share.config, table.share.score.column) == ("middle", "rmse_cbf")
    assert table.share.values.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    (even,) = tables(*(measured(config, values) for config, values in rows.items() if config != "best"))
    assert even.share.config == "middle"
    controlled = [measured("noiseless", [0.0] * 4), measured("b", [3.0] * 4), record("broken", status="error")]
    (control,) = tables(*controlled)
    assert control.share.config == "b"


def test_a_case_carries_what_it_adds_to_the_mean_over_patients():
    """Patient p has three cases, q one, so that the one weighs as much as the three; seeds are averaged first."""
    patients = ["p", "p", "p", "q"]
    seeds = [
        measured("a", [2.0, 4.0, np.nan, 6.0], patients=patients),
        measured("a", [4.0, 4.0, 6.0, 2.0], seed=1, patients=patients),
    ]
    (table,) = tables(*seeds)
    board = leaderboard(build(seeds, {}))
    parts = np.array([3 / 3, 4 / 3, 6 / 3, 4.0])
    assert table.share.values.tolist() == pytest.approx((parts / parts.sum()).tolist())
    assert table.share.values.sum() == pytest.approx(1)
    single = [measured("a", [3.0, 4.0, 6.0, 4.0], patients=patients)]
    (same,) = tables(*single)
    assert same.share.values.tolist() == pytest.approx(table.share.values.tolist())
    assert leaderboard(build(single, {}))["rmse_cbf"].item() == pytest.approx(parts.sum() / 2)
    assert board["config"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("better", "values", "expected"),
    [
        ("zero", [-1.0, 3.0, 0.0], [0.25, 0.75, 0.0]),
        ("higher", [1.0, 3.0, 0.5], None),
        ("none", [1.0, 3.0, 0.5], None),
        ("lower", [0.0, 0.0, 0.0], None),
    ],
)
def test_only_errors_have_shares(better: Better, values: list[float], expected: list[float] | None):
    (table,) = tables(measured("a", values, scores={"m": score(values, ["case"], "1", better)}))
    assert (table.share.values.tolist() if table.share else None) == expected


def test_a_case_without_a_score_has_no_share():
    (table,) = tables(measured("a", [1.0, np.nan, 3.0]))
    assert table.share.values.tolist() == pytest.approx([0.25, np.nan, 0.75], nan_ok=True)
    (whole,) = tables(measured("a", [1.0, np.nan, 3.0], patients=["p", "q", "p"]))
    assert whole.share.values.tolist() == pytest.approx([0.25, np.nan, 0.75], nan_ok=True)
