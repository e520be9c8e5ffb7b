"""The overview of a scan: what it keeps of it, and that no more is kept than is needed."""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench.perfusion import find_input_functions, subtract_baseline
from ctpbench.scans import overview as module
from ctpbench.scans.overview import Overview
from tests.fakes.ctpbench_fakes import ToySeries, head, save_scan

EVERY_S = np.repeat(np.arange(45)[:, np.newaxis] * 1.0, 6, axis=1)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A head of six slices, of which the first is air, and a brain that reaches no border."""
    path = save_scan(tmp_path_factory.mktemp("overview") / "scan.toy.npz", **head(EVERY_S))
    series = ToySeries(path)
    frames = series.read(slice(None))
    brain = (frames[0] > -100) & (frames[0] < 120) & (frames.max(axis=0) < 900)
    brain[0], brain[:, :8], brain[:, -8:] = False, False, False
    return series, frames, brain


def seen(scan, together=2):
    series, frames, brain = scan
    overview = Overview(series, len(frames))
    for start in range(0, frames.shape[1], together):
        part = slice(start, start + together)
        overview.add(start, frames[:, part], brain[part])
    return overview


@pytest.mark.parametrize("together", [1, 2, 6])
def test_it_says_what_the_whole_frames_say(scan, together):
    series, frames, brain = scan
    overview = seen(scan, together)
    np.testing.assert_array_equal(overview.brain, brain)
    np.testing.assert_array_equal(overview.peak(), frames.max(axis=0) - frames[:2].mean(axis=0))
    np.testing.assert_allclose(overview.mean_curve(), subtract_baseline(frames[:, brain].mean(axis=1)), atol=1e-3)
    most = int(brain.sum(axis=(1, 2)).argmax())
    np.testing.assert_array_equal(overview.slice_with_most_brain(), frames[:, most])
    found, why = overview.input_functions(1.0, "components", True)
    whole = find_input_functions(subtract_baseline(frames), brain, series.spacing_mm, 1.0)
    assert why == ""
    np.testing.assert_array_equal(found.aif.voxels, whole.aif.voxels)
    np.testing.assert_array_equal(found.vof.voxels, whole.vof.voxels)
    np.testing.assert_allclose(found.aif.curve, whole.aif.curve, atol=1e-3)
    assert found.factor == pytest.approx(whole.factor, rel=1e-5)


def test_of_each_slice_only_what_lies_about_the_brain_is_kept(scan, monkeypatch):
    """What is held is counted: no frame of a slice without brain, and none far from the brain."""
    monkeypatch.setattr(module, "_MARGIN", 1)
    _, frames, brain = scan
    overview = seen(scan)
    assert sorted(overview._parts) == [1, 2, 3, 4, 5]
    for z, (_, place) in overview._parts.items():
        rows, columns = (np.flatnonzero(brain[z].any(axis=axis)) for axis in (1, 0))
        assert place.shape == (len(frames), np.ptp(rows) + 3, np.ptp(columns) + 3)


def test_without_brain_all_frames_are_kept_for_a_look_at_why(scan):
    series, frames, brain = scan
    overview = seen((series, frames, np.zeros_like(brain)))
    np.testing.assert_array_equal(overview.frames, frames)
    np.testing.assert_array_equal(overview.slice_with_most_brain(), frames[:, 0])
