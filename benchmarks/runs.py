"""Runs with the real thing: cells that sleep, and a little of a board."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from noop import fakes

from ctpbench.driving import drive
from ctpbench.plugins import load_catalogue
from ctpbench.running.costs import FILE_NAME
from ctpbench.running.drive import Drive
from ctpbench.running.executors.choice import HERE, Choice
from ctpbench.running.executors.offered import Dask
from ctpbench.running.options import Options
from ctpbench.running.work import STAGES
from ctpbench.suite.load import load_suite

SLEEPING_CELLS, SLEEP_S = 24, 0.25
SLEEPING = """
name: sleeping
datasets: [{{name: toy, noise: [1], params: {{test_cases: 1}}}}]
denoisers: [{{name: leave, params: {{wait_s: {seconds}}}}}]
metrics: [error]
maps: {{scaling: none}}
seeds: {seeds}
resources: {{threads: 1}}
"""

BOARD = """
name: board
datasets:
  - name: real_like
    params: {size_px: 192, pixel_mm: 1.15, views: 864, detectors: 320, test_patients: 2}
    noise: [1e5, 2e5]
denoisers: [none, gaussian]
metrics: [rmse, ssim, frame_rmse]
resources: {threads: 1}
"""


class Silent:
    """Hears when the first piece of work began and the last cell ended."""

    began = ended = 0.0

    def work_started(self, label):
        self.began = self.began or time.monotonic()

    def work_progress(self, label, fraction, text): ...
    def work_done(self, label, outcome): ...
    def cell_finished(self, record, reused):
        self.ended = time.monotonic()


def slept(executor: str, workers: int) -> dict[str, Any]:
    """Run cells that sleep, and return what the run took and what its pieces did.

    Seconds of pieces are means, for the first ones take longer and count as well; `once_s` are those of the pieces that
    all cells wait for.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "suite.yaml", Path(folder) / "run"
        path.write_text(SLEEPING.format(seconds=SLEEP_S, seeds=list(range(SLEEPING_CELLS))))
        catalogue, listener = fakes(), Silent()
        where = Choice(Dask(workers=workers), "--executor dask") if executor == "dask" else HERE
        asked = Drive(load_suite(path, catalogue), out, options=Options(jobs=workers), cache="none", executor=where)
        drive(asked, catalogue, lambda cells: nullcontext(listener), say=lambda text: None, finish=lambda store: None)
        costs = [json.loads(line) for line in (out / FILE_NAME).read_text().splitlines()]
    seconds = {stage: [cost["seconds"] for cost in costs if cost["stage"] == stage] for stage in STAGES}
    return {
        "executor": executor,
        "workers": workers,
        "cells": SLEEPING_CELLS,
        "took_s": round(listener.ended - listener.began, 3),
        "once_s": {stage: round(sum(seconds[stage]), 4) for stage in ("data", "reference")},
        "pieces_s": {stage: round(statistics.fmean(seconds[stage]), 4) for stage in ("prediction", "scores")},
    }


def worked() -> list[dict[str, Any]]:
    """Run a little of the board `stroke`, and return what a case took in each stage, by the runner's clock."""
    with tempfile.TemporaryDirectory() as folder:
        path, out, catalogue = Path(folder) / "suite.yaml", Path(folder) / "run", load_catalogue()
        path.write_text(BOARD)
        drive(
            Drive(load_suite(path, catalogue), out, options=Options(jobs=1), cache="none"),
            catalogue,
            lambda cells: nullcontext(Silent()),
            say=lambda text: None,
            finish=lambda store: None,
        )
        costs = [json.loads(line) for line in (out / FILE_NAME).read_text().splitlines()]
    cases = {"data": 1, "reference": 2, "prediction": 2, "scores": 2}
    return [
        {
            "stage": stage,
            "seconds": round(min(cost["seconds"] for cost in costs if cost["stage"] == stage) / each, 3),
            "bytes": round(statistics.median(cost["size"] for cost in costs if cost["stage"] == stage) / each),
        }
        for stage, each in cases.items()
    ]
