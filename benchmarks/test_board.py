"""What a board takes, counted by hand on a small one."""

from __future__ import annotations

import pytest

from . import board as boards
from .board import Board, Kind
from .simulation import Farm

KINDS = [Kind("filters", 2, case_s=3.0, fit_s=0.0, trials=4), Kind("networks", 1, case_s=1.0, fit_s=50.0, trials=0)]
BOARD = Board(patients=10, levels=2, seeds=3, validation=5)
REPORT = {
    "rates": [{"what": "driver", "cells": cells, "cpu_s": cells * each_s} for cells, each_s in ((10, 9), (100, 0.004))],
    "runs": [
        {
            "executor": "local",
            "workers": workers,
            "cells": 4,
            "took_s": took_s,
            "once_s": {"data": 1, "reference": 0.5},
            "pieces_s": {"prediction": 2, "scores": 1},
        }
        for workers, took_s in ((1, 14.5), (2, 10.0))
    ],
    "work": [
        {"stage": stage, "seconds": seconds, "bytes": size}
        for stage, seconds, size in (("data", 7, 3e6), ("reference", 1, 0), ("prediction", 9, 2e6), ("scores", 0.5, 0))
    ],
}


def test_stages_are_counted():
    found = boards.stages(BOARD, KINDS, REPORT).set_index("stage")
    assert found.loc["data", "pieces"] == 2 * (10 + 5)
    assert found.loc["data", "core_hours"] == pytest.approx(30 * 7 / 3600)
    assert found.loc["fits, networks", "core_hours"] == pytest.approx(6 * 50 / 3600)
    assert found.loc["tuning, filters", "pieces"] == 2 * 12 * 4
    assert found.loc["prediction, filters", "core_hours"] == pytest.approx(12 * 10 * 3 / 3600)
    assert found.loc["prediction, filters", "TB"] == pytest.approx(120 * 2e6 / 1e12)
    assert "fits, filters" not in found.index
    assert "tuning, networks" not in found.index


@pytest.mark.parametrize("cases_a_piece", [10, 5, 1])
def test_chains_hold_the_work_of_all_stages_but_data_and_reference(cases_a_piece):
    found = boards.chains(BOARD, KINDS, REPORT, workers=1, cases_a_piece=cases_a_piece)
    stages = boards.stages(BOARD, KINDS, REPORT).set_index("stage").drop(["data", "reference"])
    assert sum(piece.seconds for chain in found for piece in chain) / 3600 == pytest.approx(stages["core_hours"].sum())
    assert len(found) == 18 * (10 // cases_a_piece) + 12 * 4


def test_inputs_travel_once_to_each_worker_and_no_more_than_to_each_piece():
    def moved(workers):
        found = boards.chains(BOARD, KINDS, REPORT, workers=workers, cases_a_piece=10)
        return sum(piece.mb for chain in found for piece in chain)

    back = 18 * 10 * 2 + 12 * 4 * 5 * 2
    assert moved(1) == pytest.approx(back + 2 * 10 * 3)
    assert moved(2) == pytest.approx(back + 2 * 2 * 10 * 3)
    assert moved(1000) == pytest.approx(back + 18 * 10 * 3)


def test_the_driver_is_that_of_the_largest_size():
    assert boards.driver_s(REPORT) == pytest.approx(0.002)


def test_the_simulation_is_held_against_runs():
    found = boards.validated(REPORT).set_index("workers")
    # 14.5 s are 13.5 s of work in ten pieces with 0.1 s between two of them, so that is what passes with more workers.
    assert found.loc[1, "error"] == pytest.approx(0, abs=1e-3)
    # 1.1 s pass with the data; of the other 13.4 s two workers have half each, but for what one has left at the end.
    assert found.loc[2, "simulated_s"] == pytest.approx(1.1 + 13.4 / 2, abs=0.6)
    assert found.loc[2, "error"] == pytest.approx(found.loc[2, "simulated_s"] / 10 - 1)


def test_a_network_that_learnt_longer_is_the_longest_chain():
    found = boards.courses(BOARD, KINDS, REPORT, Farm(1), [1000], cases=1).iloc[0]
    assert found["limit"] == "longest chain"
    assert found["hours"] == pytest.approx((50 + 1.5) / 3600)


def test_kinds_stand_for_methods_of_the_boards():
    filters, iterative, networks = boards.kinds(
        {"filters": 1, "iterative": 2, "networks": 3}, dict.fromkeys(boards.LIKE, 0)
    )
    assert filters.fit_s == iterative.fit_s == 0
    assert networks.fit_s > 10
    assert filters.case_s < iterative.case_s
    assert boards.on_a_gpu(networks).case_s < networks.case_s
