"""A few numbers of each test case that tell whether it is like the others, the same for every method.

They are of what methods are handed and of the truth behind it. What else is found out about a whole recorded scan is
its dataset's own, and lies in the inspections.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ctpbench.contract.case import Truth
from ctpbench.contract.classes import class_mask
from ctpbench.contract.observation import Observation
from ctpbench.errors import DataError
from ctpbench.running.record import Numbers

QUANTITIES: Mapping[str, tuple[str, str]] = {  # long name, units
    "noise_hu": ("standard deviation of the noise of a voxel of a frame", "HU"),
    "aif_peak_hu": ("highest enhancement of the arterial input function", "HU"),
    "aif_time_to_peak_s": ("time of that from the first frame on", "s"),
    "aif_width_s": ("width of the arterial input function at half its maximum", "s"),
    "brain_ml": ("volume of the brain", "mL"),
    "core_ml": ("volume of the true infarct core", "mL"),
    "penumbra_ml": ("volume of the true penumbra, the core in it included", "mL"),
}

_SLICES = 4  # that noise is measured in: those with the most tissue
_DIGITS = 5


def quality_of(observation: Observation, truth: Truth | None) -> dict[str, float | None]:
    """Return the numbers of one case by the names of `QUANTITIES`, None where one is not known.

    Volumes of core and penumbra are those of brain without major vessels, as metrics have it. The noise is measured in
    the four slices with the most tissue, and not known where that takes more frames or tissue than there are.

    Parameters
    ----------
    observation : Observation
    truth : Truth or None
    """
    from ctpbench.perfusion import resample  # loads SciPy, which those who only read the numbers do without
    from ctpbench.perfusion.bolus import fwhm_s

    frames, tissue = observation.frames, observation.tissue
    voxel_ml = float(np.prod(frames.attrs["spacing_mm"])) / 1000
    aif, dt_s = resample(observation.aif, observation.times_s)
    core, penumbra = (None if truth is None else class_mask(truth, kind) for kind in ("core", "penumbra"))
    found: dict[str, float | None] = {
        "noise_hu": _noise_hu(observation),
        "aif_peak_hu": float(observation.aif.max()),
        "aif_time_to_peak_s": float(observation.times_s[observation.aif.argmax()] - observation.times_s[0]),
        "aif_width_s": fwhm_s(aif, dt_s),
        "brain_ml": int(frames["brain"].values.sum()) * voxel_ml,
        "core_ml": None if core is None else int((tissue & core).sum()) * voxel_ml,
        "penumbra_ml": None if core is None or penumbra is None else int((tissue & (core | penumbra)).sum()) * voxel_ml,
    }
    return {name: None if value is None else float(f"{value:.{_DIGITS}g}") for name, value in found.items()}


def gathered(cases: list[dict[str, float | None]]) -> dict[str, Numbers]:
    """Return the numbers of several cases as lists by name, of those that any case has."""
    names = [name for name in QUANTITIES if any(case.get(name) is not None for case in cases)]
    return {name: [case.get(name) for case in cases] for name in names}


def _noise_hu(observation: Observation) -> float | None:
    from ctpbench.perfusion import noise_statistics

    tissue = observation.tissue
    slices = np.sort(np.argsort(-tissue.sum(axis=(1, 2)), kind="stable")[:_SLICES])
    try:
        return noise_statistics(observation.frames.values[:, slices], tissue[slices]).sd_hu
    except DataError:
        return None
