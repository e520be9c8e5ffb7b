"""Numbers of each test case, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctpbench.contract.case import Truth, regions
from ctpbench.contract.observation import Observation
from ctpbench.running.quality import QUANTITIES, gathered, quality_of
from ctpbench.testing import example_case

SPACING_MM = (5.0, 2.0, 1.0)
VOXEL_ML = 0.01


def scan(noise_hu: float = 6.0, slices: int = 6, times_s: np.ndarray | None = None) -> Observation:
    """A brain of 60 x 60 px whose slices shrink upwards, with a column of vessels; its AIF is a triangle."""
    times_s = np.arange(3.0, 33.0) if times_s is None else times_s
    y, x = np.mgrid[:60, :60] - 29.5
    brain = np.stack([np.hypot(y, x) < 29 - 4 * z for z in range(slices)])
    vessels = brain & (np.abs(x) < 1)
    frames = 35 + noise_hu * np.random.default_rng(0).standard_normal((times_s.size, *brain.shape))
    aif = np.interp(times_s, [8, 13, 18], [0, 200, 0])
    return Observation.of(
        frames.astype(np.float32), times_s=times_s, spacing_mm=SPACING_MM, brain=brain, vessels=vessels, aif=aif
    )


def labelled(observation: Observation, core: np.ndarray, penumbra: np.ndarray) -> Truth:
    values = np.select([core, penumbra], [2, 1], 0).astype(np.int8)
    attrs = {"flag_values": [0, 1, 2], "flag_meanings": "white gray_reduced white_severe"}
    like = observation.frames[0].drop_vars(["time", "aif", "vof"], errors="ignore")
    return Truth(labels=xr.DataArray(values, dims=like.dims, attrs=attrs))


def test_noise_and_the_input_function():
    found = quality_of(scan(noise_hu=6.0), None)
    assert list(found) == list(QUANTITIES)
    assert found["noise_hu"] == pytest.approx(6.0, rel=0.02)
    assert quality_of(scan(noise_hu=12.0), None)["noise_hu"] == pytest.approx(2 * found["noise_hu"], rel=1e-3)
    assert found["aif_peak_hu"] == 200.0
    assert found["aif_time_to_peak_s"] == 10.0  # at 13 s, the first frame at 3 s
    assert found["aif_width_s"] == 5.0


def test_a_width_is_in_seconds_where_frames_are_uneven():
    uneven = np.concatenate([np.arange(3.0, 14.0), np.arange(15.0, 40.0, 2.0)])  # half as many on the way down
    assert quality_of(scan(times_s=uneven), None)["aif_width_s"] == pytest.approx(5.0, abs=0.1)


def test_volumes_are_those_of_brain_without_vessels():
    observation = scan()
    brain, tissue = observation.frames["brain"].values, observation.tissue
    core = np.zeros(brain.shape, bool)
    core[1, 20:30, 25:35] = True
    penumbra = np.zeros(brain.shape, bool)
    penumbra[:3, 15:35, 20:40] = True
    found = quality_of(observation, labelled(observation, core, penumbra))
    assert found["brain_ml"] == pytest.approx(brain.sum() * VOXEL_ML)
    assert found["core_ml"] == pytest.approx((10 * 10 - 10 * 2) * VOXEL_ML)  # less two columns of vessels
    assert found["penumbra_ml"] == pytest.approx((penumbra & tissue).sum() * VOXEL_ML)
    assert found["penumbra_ml"] == pytest.approx(3 * 20 * (20 - 2) * VOXEL_ML)
    none = quality_of(observation, labelled(observation, core & False, core & False))
    assert (none["core_ml"], none["penumbra_ml"]) == (0.0, 0.0)


def test_what_is_not_known_is_none():
    observation = scan()
    core = observation.tissue & (np.arange(60) < 20)
    drawn = Truth(rois=regions(core=core))
    assert quality_of(observation, drawn)["core_ml"] == pytest.approx(core.sum() * VOXEL_ML)
    for unknown in (None, Truth(), drawn):
        assert quality_of(observation, unknown)["penumbra_ml"] is None
    small = example_case().observation  # too little tissue to measure noise in
    assert quality_of(small, None)["noise_hu"] is None
    assert quality_of(small, None)["brain_ml"] == pytest.approx(small.frames["brain"].values.sum() * 0.005)


def test_noise_is_measured_in_the_slices_with_the_most_tissue():
    observation = scan()
    frames = observation.frames.copy(deep=True)
    frames.values[:, 4:] += 50 * np.random.default_rng(1).standard_normal(frames[:, 4:].shape, dtype=np.float32)
    noisier = Observation(frames)
    assert quality_of(noisier, None) == quality_of(observation, None)


def test_lists_of_cases_leave_out_what_no_case_knows():
    first = {"noise_hu": 8.0, "core_ml": None, "brain_ml": 100.0, "penumbra_ml": None}
    second = {"noise_hu": None, "core_ml": None, "brain_ml": 120.0, "penumbra_ml": 3.0}
    assert gathered([first, second]) == {
        "noise_hu": [8.0, None],
        "brain_ml": [100.0, 120.0],
        "penumbra_ml": [None, 3.0],
    }
    assert gathered([]) == {}
