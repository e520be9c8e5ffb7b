"""Finished runs and their results, made by hand: no process runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from ctpbench.outcome.results import build
from ctpbench.running.index import Index, PlannedCell
from ctpbench.running.record import Record
from ctpbench.running.seals import sealed
from ctpbench.running.store import Store
from tests.outcome.records import CASES

METRIC = {"name": "rmse", "version": "1", "params": {"against": "noiseless"}, "code": "m1"}
DATASET = {"name": "phantom", "version": "1", "params": {"size_px": 64}, "code": "d1", "fingerprint": "f1"}
SUITE = "name: quick\n"


def protocol(**changes: Any) -> dict[str, Any]:
    """How scores were taken; a change of a part is merged into it."""
    plain: dict[str, Any] = {
        "datasets": {"phantom": {**DATASET, "cases": {case: f"patient of {case}" for case in CASES}}},
        "metrics": {"rmse": METRIC},
        "maps": [{"deconvolution": "tikhonov", "lambda_rel": 0.3}],
        "core": {"scores": "c1"},
    }
    return {**plain, **changes}


def facts(**changes: Any) -> dict[str, Any]:
    """Where a run comes from."""
    plain = {"suite": "quick", "metrics": ["rmse"], "suite_text": SUITE, "cpu": "A processor", "sandbox": "full"}
    return {**plain, "protocol": protocol(), **changes}


def tree(records: Sequence[Record], **changes: Any) -> xr.DataTree:
    """The results of a run of some records."""
    return build([sealed(record) for record in records], facts(**changes))


def finished_run(folder: Path, records: Sequence[Record], **changes: Any) -> Store:
    """The folder of a run of some records, all of them finished."""
    store = Store(folder)
    place = {"key", "dataset", "noise", "config", "seed"}
    cells = [PlannedCell(**record.model_dump(include=place)) for record in records]
    store.write_plan(Index(suite="quick", provenance=facts(**changes), cells=cells), SUITE)
    for record in records:
        store.write_record(record)
    return store
