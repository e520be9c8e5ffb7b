"""Names in the results tree that are its own, whatever metrics are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ctpbench.suite.entries import MAPS
from ctpbench.text import NoiseAxis

if TYPE_CHECKING:
    import xarray as xr

CELL_DIMS = ("config", "noise", "seed")
SCORE_DIMS = ("case", "map", "time", "frequency", "roi")

MISSING = "missing"
"""The status of a cell without a record."""
PATIENT = "patient"
"""The coordinate that says whose each case is; older results have none."""
FROM_RUN = "from_run"
"""The variable that says which run each cell was taken from, in results that were joined."""
CHILDREN = ("trials", "learning", "inspections", "cases")
"""The groups that a dataset's group may hold."""
ROW_FACTS = ("method", "version", "distribution", MAPS)
RECORD_FACTS: Mapping[str, tuple[str, str]] = {  # what a missing cell holds, long name
    "status": (MISSING, "how the cell ended"),
    "message": ("", "why the cell failed"),
    "trained_on": ("", "what the method learnt from, where it is not the training split"),
    "key": ("", "name of the cell's record and log"),
    "seal": ("", "checksum of the cell's record"),
    "started": ("", "start of the cell"),
    "finished": ("", "end of the cell"),
}
TIMING_FACTS: Mapping[str, tuple[str | float | bool, str, str]] = {  # what a missing cell holds, long name, units
    "device": ("", "device the method ran on", ""),
    "hardware": ("", "processor that the timings were taken on", ""),
    "threads": (np.nan, "threads that the cell could use", "1"),
    "contended": (False, "timed while other cells ran on the same machine", ""),
    "reused": (False, "timed by another run on the same hardware", ""),
    "fit_s": (np.nan, "time to train the method", "s"),
    "own_fit_s": (np.nan, "the same by the clock of the method's own process", "s"),
    "fit_resumed": (False, "training went on from an attempt cut short, whose time fit_s leaves out", ""),
    "fit_reused": (False, "trained by another run on the same hardware", ""),
    "peak_memory_mib": (np.nan, "peak resident memory", "MiB"),
    "peak_device_memory_mib": (np.nan, "peak memory of the accelerator", "MiB"),
    "sandbox": ("", "how far the kernel held the method's process", ""),
}
CASE_FACTS = {
    "denoise_s": "time to denoise a case",
    "own_denoise_s": "the same by the clock of the method's own process",
    "maps_s": "time to compute the maps of a case",
}
COLLECTED = {
    "left_out": "cases that could not be read, and why",
    "metric_faults": "metrics that failed, by label, and how, JSON",
    "versions": "versions that the cell was measured with, JSON",
    "tuned_parameters": "tuned parameters, JSON",
    "tuned_at_edge": "tuned parameters that ended at an edge of the values tried, JSON",
}
FACTS = (*RECORD_FACTS, *TIMING_FACTS, *CASE_FACTS, *COLLECTED)
"""What is said of each cell beside its scores: how it ended, and what was measured of it."""
TAKEN = frozenset({PATIENT, FROM_RUN, *CELL_DIMS, *SCORE_DIMS, *ROW_FACTS, *FACTS, *CHILDREN})
"""What no metric may be called."""


def axis_of(data: xr.Dataset) -> NoiseAxis:
    """Return what the noise levels of a dataset's group are, as far as its results say."""
    symbol, units = (str(data["noise"].attrs.get(name, "")) for name in ("symbol", "units"))
    return NoiseAxis(symbol, units)
