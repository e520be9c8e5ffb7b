"""Rows are held against each other by one score of one level, over the patients that both have."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ctpbench.errors import InputError, ResultError
from ctpbench.outcome.comparison import UNKNOWN, comparisons, levels_of
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.results import build
from ctpbench.outcome.statistics import mean_interval, paired_differences
from ctpbench.running.record import Record
from tests.outcome.records import changed, record, rmse, score
from tests.outcome.test_leaderboard import patient_values, ward

WARD = [ward("a", 5.0), ward("b", 5.02, spread=1.2), ward("noiseless", 2.0, spread=0.9), ward("c", 9.0, spread=1.3)]


def compared(*records: Record, by: str | None = None):
    return comparisons(build(records, {}), by)


def test_each_level_is_compared_by_what_ranks_it_in_the_leaderboard() -> None:
    cnr = score([1.0, 2.0], ["case"], "1", "higher")
    both = [
        record(config, noise, scores={"rmse": rmse([4.0, 6.0]), "cnr": cnr}) for noise in (1e5, 2e5) for config in "ab"
    ]
    real = [record(config, None, dataset="real", scores={"cnr": cnr}) for config in "ab"]
    found = compared(*both, *real)
    assert {where: one.score.column for where, one in found.items()} == {
        ("phantom", 1e5): "rmse_cbf",
        ("phantom", 2e5): "rmse_cbf",
        ("real", None): "cnr",
    }
    assert set(compared(*both, *real, by="cnr")) == set(found)
    assert set(compared(*both, *real, by="rmse_cbv")) == {("phantom", 1e5), ("phantom", 2e5)}
    frame = leaderboard(build([*both, *real], {}))
    assert list(frame["rank_by"]) == [one.score.column for one in found.values() for _ in one.rows]
    with pytest.raises(ResultError, match=re.escape("no score 'cbf' to rank by; there are: rmse_cbf, rmse_cbv, cnr")):
        compared(*both, *real, by="cbf")


def test_a_row_that_failed_is_not_compared() -> None:
    (found,) = compared(*WARD, record("broken", status="crashed")).values()
    assert [row.label for row in found.rows] == ["a", "b", "noiseless", "c"]
    assert found.place("c") == 3
    with pytest.raises(KeyError):
        found.place("broken")


def test_the_leader_is_held_against_every_rival_the_nearest_first() -> None:
    (found,) = compared(*WARD[::-1]).values()
    labels = [found.rows[pair.second].label for pair in found.against_leader]
    assert {found.rows[pair.first].label for pair in found.against_leader} == {"a"}
    assert labels == ["b", "c"]
    assert [pair.difference.value > 0 for pair in found.against_leader] == [True, True]


def test_a_pair_alone_is_adjusted_by_no_other_and_may_be_the_control() -> None:
    (found,) = compared(*WARD).values()
    values = np.array([patient_values(made) for made in WARD])
    for i, j in ((0, 1), (1, 0), (3, 2)):
        pair, (expected,) = found.pair(i, j), paired_differences(values[[i, j]], "lower")
        assert (pair.first, pair.second, pair.p, pair.p_holm) == (i, j, expected.p, expected.p)
        assert pair.difference == expected.difference
        np.testing.assert_allclose(found.differences(i, j), values[j] - values[i])
        assert found.lead(i, j).value == pytest.approx(100 * (values[j] - values[i]).mean() / values[j].mean())
    whole = {(pair.first, pair.second): pair.p_holm for pair in found.pairs}
    assert whole[0, 1] == pytest.approx(found.pair(0, 1).p)  # the largest of three
    assert whole[0, 3] == pytest.approx(2 * found.pair(0, 3).p) or whole[0, 3] == pytest.approx(3 * found.pair(0, 3).p)
    assert whole[0, 2] is None


def test_scores_by_patient_are_means_over_cases_and_seeds() -> None:
    seeds = [ward("a", 5.0), ward("a", 7.0, seed=1)]
    (found,) = compared(*seeds, ward("b", 9.0)).values()
    np.testing.assert_allclose(found.by_patient(0), (patient_values(seeds[0]) + patient_values(seeds[1])) / 2)
    np.testing.assert_allclose(found.differences(0, 1), 3.0)


def test_where_patients_are_not_known_every_estimate_says_so() -> None:
    (found,) = compared(*(changed(made, patients=[]) for made in WARD)).values()
    estimates = [*found.means, found.pair(0, 1).difference, found.lead(0, 1), found.pairs[0].difference]
    assert {(one.reason, one.interval) for one in estimates} == {(UNKNOWN, None)}
    assert found.patients == ()


def test_means_are_those_of_the_leaderboard() -> None:
    (found,) = compared(*WARD).values()
    assert found.means == tuple(mean_interval(patient_values(made)) for made in WARD)


@pytest.mark.parametrize(
    ("dataset", "noise", "expected"),
    [
        (None, None, [("phantom", 1e5), ("phantom", 2e5), ("real", None)]),
        ("phantom", None, [("phantom", 1e5), ("phantom", 2e5)]),
        ("real", None, [("real", None)]),
        (None, 2e5, [("phantom", 2e5)]),
        ("real", 2e5, "--noise: no noise level 2e5; there are: none"),
        (None, 3e5, "--noise: no noise level 3e5; there are: 1e5, 2e5, none"),
        (
            "phantm",
            1e5,
            "--dataset: no dataset 'phantm' that is ranked (did you mean phantom?); there are: phantom, real",
        ),
    ],
)
def test_levels_are_chosen_by_name(dataset: str | None, noise: float | None, expected: object) -> None:
    found = compared(record("a", 1e5), record("a", 2e5), record("a", None, dataset="real"))
    if isinstance(expected, str):
        with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
            levels_of(found, dataset, noise)
    else:
        assert list(levels_of(found, dataset, noise)) == expected
