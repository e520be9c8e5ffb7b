"""What is found out about a scan, held against a head whose truth is known; slab by slab as all at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from ctpbench import DataError, Inspection, inspect_series
from ctpbench.contract.series import slabs
from ctpbench.perfusion.concentration import interpolate, on_grid
from tests.fakes.ctpbench_fakes import ARTERY_SHARE, ToySeries, head, head_aif, save_scan

FRAMES, SLICES = 45, 5
EVERY_S = np.repeat(np.arange(FRAMES)[:, np.newaxis] * 1.0, SLICES, axis=1)

Inspect = Callable[..., Inspection]


@pytest.fixture(scope="module")
def still() -> dict[str, np.ndarray]:
    """A head scanned every second."""
    return head(EVERY_S)


@pytest.fixture
def inspected(tmp_path: Path) -> Inspect:
    """Inspect a scan of some arrays."""

    def inspect(arrays: dict[str, np.ndarray], **changed: np.ndarray) -> Inspection:
        return inspect_series(ToySeries(save_scan(tmp_path / "scan.toy.npz", **(arrays | changed))))

    return inspect


def warned(inspection: Inspection, about: str) -> bool:
    return any(text.startswith(about) for text in inspection.warnings)


def likeness(inspection: Inspection) -> float:
    """Return the correlation of the AIF that was found with the true one."""
    assert inspection.inputs is not None
    return float(np.corrcoef(inspection.inputs.aif.curve, head_aif(inspection.times_s))[0, 1])


def test_a_scan_without_faults_is_described_as_it_is(inspected, still):
    found = inspected(still)
    facts = found.facts
    assert found.warnings == ()
    assert (facts["frames"], facts["slices"], facts["rows"], facts["columns"]) == (FRAMES, SLICES, 64, 64)
    assert (facts["frame_interval_s"], facts["longest_interval_s"], facts["duration_s"]) == (1, 1, 44)
    assert (facts["slice_mm"], facts["pixel_mm"]) == (5, 3)
    assert facts["resampled"] is facts["filtered_in_time"] is False
    assert facts["motion_mm"] < 0.5
    assert facts["noise_hu"] == pytest.approx(4, rel=0.03)
    assert abs(facts["noise_correlation_frames"]) < 0.03
    assert facts["brain_ml"] == pytest.approx(found.brain.sum() * 0.045)
    assert not found.brain[0].any()
    np.testing.assert_array_equal(found.brain, head(EVERY_S, skull=False)["frames"][0] > -500)
    assert likeness(found) > 0.99
    assert facts["aif_time_to_peak_s"] == 14
    assert found.inputs.scaled_aif.max() == pytest.approx(250, rel=0.1)
    assert facts["aif_scaling_factor"] == pytest.approx(1 / ARTERY_SHARE, rel=0.1)
    assert facts["vof_time_to_peak_s"] > 17
    np.testing.assert_array_equal(found.frames(slice(1, 3)), still["frames"][:, 1:3])


def test_facts_are_plain_json_without_the_place_of_the_scan(inspected, still, tmp_path):
    found = inspected(still, patient="Doe^Jane")
    text = json.dumps([found.facts, found.warnings], allow_nan=False)
    assert not any(word in text for word in (str(tmp_path), tmp_path.name, "scan.toy", "Doe"))


@pytest.mark.parametrize("slices_at_once", [1, 2])
def test_slab_by_slab_is_as_all_at_once(inspected, still, monkeypatch, slices_at_once):
    whole = inspected(still)
    monkeypatch.setattr("ctpbench.contract.series.SLAB_BYTES", slices_at_once * 4 * FRAMES * 64 * 64)
    pieces = list(slabs(whole.series))
    assert [part.stop - part.start for part in pieces] == {1: [1] * 5, 2: [2, 2, 1]}[slices_at_once]
    parts = inspected(still)
    for name in ("brain", "vessels", "overview", "mean_curve", "displacement_mm", "times_s"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    np.testing.assert_array_equal(parts.inputs.scaled_aif, whole.inputs.scaled_aif)
    assert parts.warnings == whole.warnings
    assert parts.facts == pytest.approx(whole.facts, rel=0.02, abs=0.02)


def test_slabs_cover_the_scan_in_multiples(still, tmp_path, monkeypatch):
    series = ToySeries(save_scan(tmp_path / "scan.toy.npz", **still))
    monkeypatch.setattr("ctpbench.contract.series.SLAB_BYTES", 3 * 4 * FRAMES * 64 * 64)
    assert list(slabs(series, multiple=2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    monkeypatch.setattr("ctpbench.contract.series.SLAB_BYTES", 1)
    assert list(slabs(series, multiple=4)) == [slice(0, 4), slice(4, 5)]


def test_irregular_frames_are_resampled_once_and_there_is_a_warning(inspected):
    times_s = np.concatenate([np.arange(30), np.arange(30, 51, 3)]).astype(float)
    found = inspected(head(np.repeat(times_s[:, np.newaxis], SLICES, axis=1)))
    np.testing.assert_allclose(found.times_s, np.arange(49))
    assert found.facts["resampled"] is True
    assert (found.facts["frame_interval_s"], found.facts["longest_interval_s"]) == (1, 3)
    assert warned(found, "resampled: frames are up to 3 s apart")
    assert likeness(found) > 0.99
    assert abs(found.facts["noise_correlation_frames"]) < 0.05  # that of the scan, not of what interpolation made
    assert found.frames(slice(1, 2)).shape == (49, 1, 64, 64)
    np.testing.assert_array_equal(found.observation(slice(1, 2)).times_s, found.times_s)


def test_one_frame_out_of_step_is_put_right_however_long_the_scan(inspected, still):
    times_s = EVERY_S.copy()
    times_s[20] += 0.4
    found = inspected(still, frame_times_s=times_s)
    assert found.facts["resampled"] is True
    before, after = still["frames"][19, 1], still["frames"][20, 1]
    np.testing.assert_allclose(found.frames(slice(1, 2))[20, 0], before + (after - before) / 1.4, rtol=1e-5, atol=1e-3)


def test_time_stamps_that_are_rounded_leave_frames_alone(inspected, still):
    exact_s = 1.337 * EVERY_S
    found = inspected(still, frame_times_s=exact_s.round(2))
    assert found.facts["resampled"] is False
    assert found.warnings == ()
    np.testing.assert_allclose(found.times_s, exact_s[:, 0], atol=0.01)  # intervals of 1.33 and 1.34 do not add up
    np.testing.assert_array_equal(found.frames(slice(0, 2)), still["frames"][:, :2])


def test_shuttle_slices_land_on_one_grid(inspected):
    """A table that goes to and fro: a slice is seen at its own times, odd frames in the opposite order."""
    order = np.where(np.arange(FRAMES)[:, np.newaxis] % 2, np.arange(SLICES)[::-1], np.arange(SLICES))
    times_s = 1.5 * np.arange(FRAMES)[:, np.newaxis] + 0.2 * order
    found = inspected(head(times_s))
    assert found.facts["resampled"] is True
    assert found.facts["frame_interval_s"] == pytest.approx(1.5)
    assert times_s[0].max() <= found.times_s[0]
    assert found.times_s[-1] <= times_s[-1].min()
    assert likeness(found) > 0.99
    ramp = 10 + 3 * times_s[:, :, np.newaxis, np.newaxis] * np.ones((1, 1, 2, 2))
    placed = on_grid(ramp.astype(np.float32), times_s, found.times_s)
    np.testing.assert_allclose(placed, np.broadcast_to(10 + 3 * found.times_s[:, None, None, None], placed.shape), 1e-5)
    np.testing.assert_array_equal(  # a slab is placed as it is among all
        placed[:, 1:2], on_grid(ramp[:, 1:2].astype(np.float32), times_s[:, 1:2], found.times_s)
    )


@pytest.mark.parametrize("fault", ["two frames", "back in time", "no time"])
def test_faulty_times_are_named_with_the_scan(inspected, still, fault):
    times_s = EVERY_S.copy()
    times_s[7, 2] = {"two frames": 7, "back in time": 3, "no time": np.nan}[fault]
    kept = 2 if fault == "two frames" else FRAMES
    with pytest.raises(
        DataError, match=r"scan\.toy\.npz: times: got (2|45) frames, or times that do not increase; allowed"
    ):
        inspected(still, frames=still["frames"][:kept], frame_times_s=times_s[:kept])


def test_slices_that_share_no_time_are_named(inspected, still):
    far_s = EVERY_S + np.array([0, 0, 0, 0, 43.5])
    with pytest.raises(DataError, match=r"scan\.toy\.npz: times: got slices with 1 of 45 frames in common; allowed: 3"):
        inspected(still, frame_times_s=far_s)


def test_a_scan_filtered_in_time_is_flagged(inspected, still):
    found = inspected(still, frames=ndimage.gaussian_filter1d(still["frames"], 0.8, axis=0))
    assert found.facts["filtered_in_time"] is True
    assert found.facts["noise_correlation_frames"] > 0.4
    assert warned(found, "filtered in time: ")


def test_motion_is_flagged_with_its_frame(inspected, still):
    frames = still["frames"].copy()
    frames[30] = np.roll(frames[30], 2, axis=-1)
    found = inspected(still, frames=frames)
    assert found.facts["motion_mm"] == pytest.approx(6, abs=0.5)
    assert warned(found, "motion: frame 31 lies")


def test_a_scan_that_ends_early_is_flagged(inspected, still):
    found = inspected(still, frames=still["frames"][:26], frame_times_s=EVERY_S[:26])
    assert warned(found, "truncated: the VOF ends at")


def test_too_few_frames_to_measure_noise_in_are_no_error(inspected, still):
    found = inspected(still, frames=still["frames"][::7], frame_times_s=EVERY_S[::7])
    assert "noise_hu" not in found.facts
    assert warned(found, "noise: not measured")


def test_without_an_artery_facts_are_there_and_use_is_refused(inspected):
    found = inspected(head(EVERY_S, artery=False))
    assert found.inputs is None
    assert found.facts["noise_hu"] == pytest.approx(4, rel=0.03)
    assert not any(name.startswith(("aif", "vof")) for name in found.facts)
    assert found.warnings[0] == found.no_artery != ""
    with pytest.raises(DataError, match=r"scan\.toy\.npz: .*artery"):
        found.observation()


def test_slices_without_brain_are_refused(inspected, still):
    found = inspected(still)
    with pytest.raises(
        DataError, match=r"scan\.toy\.npz: got slices 1 to 1 without brain; allowed: slices with brain; leave these out"
    ):
        found.observation(slice(0, 1))
    seen = found.observation(slice(1, 3))
    assert seen.frames.shape == (FRAMES, 2, 64, 64)
    np.testing.assert_array_equal(seen.aif, found.inputs.scaled_aif)
    np.testing.assert_array_equal(seen.frames["vof"], found.inputs.vof.curve)
    np.testing.assert_array_equal(seen.frames["brain"], found.brain[1:3])


@pytest.mark.parametrize("background_hu", [-1000, 0])
@pytest.mark.parametrize("skull", [False, True])
def test_an_image_of_the_brain_alone_is_known_as_such(inspected, skull, background_hu):
    arrays = head(EVERY_S, skull=False)
    true = arrays["frames"][0] > -500
    arrays["frames"][:, ~true] = background_hu
    if skull:  # flecks of calcium, which must not count as a skull
        arrays["frames"][:, 2, 28:32, 28:31] = 200
    found = inspected(arrays)
    np.testing.assert_array_equal(found.brain, true)
    assert likeness(found) > 0.99


def test_a_scalp_above_its_skull_is_no_brain(inspected, still, monkeypatch):
    """Padding about noisy air, and the slab alone holds no bone."""
    frames = still["frames"].copy()
    y, x = np.mgrid[:64, :64] - 31.5
    within = np.hypot(y, x) < 32
    frames[:, 4] = np.where(np.hypot(y, x) < 15, 30, -1000) + frames[:, 0] + 1000
    frames[:, :, ~within] = -1000
    monkeypatch.setattr("ctpbench.contract.series.SLAB_BYTES", 4 * FRAMES * 64 * 64)
    found = inspected(still, frames=frames)
    assert found.brain[1:4].any(axis=(1, 2)).all()
    assert not found.brain[4].any()


def test_no_head_is_no_scan(inspected, still):
    with pytest.raises(DataError, match=r"scan\.toy\.npz: got no slice with brain inside bone; allowed: a scan"):
        inspected(still, frames=np.broadcast_to(still["frames"][:, :1], still["frames"].shape))


def test_thin_slices_and_small_pixels_are_put_together_for_the_arteries(inspected):
    thick = inspected(head(EVERY_S[:, :3], noise_hu=2))
    depth = 1 + 2 * 8
    times_s = np.repeat(np.arange(FRAMES)[:, np.newaxis] * 1.0, depth, axis=1)
    thin = inspected(head(times_s, spacing_mm=(0.5, 3.0, 3.0), noise_hu=25))
    assert thin.grouping == (8, 1, 1)
    assert thin.overview.shape == (3, 64, 64)
    assert likeness(thin) > 0.99
    difference = thin.inputs.aif.curve - thick.inputs.aif.curve
    assert np.abs(difference).max() < 0.1 * thick.inputs.aif.curve.max()
    assert thin.facts["noise_hu"] == pytest.approx(25, rel=0.05)  # of its own slices, not of thicker ones
    assert (thin.vessels & thin.brain).sum() < 0.2 * thin.brain.sum()  # noise is no vessel


def test_small_pixels_are_put_together(inspected):
    arrays = head(EVERY_S[:, :3])
    fine = arrays["frames"][::3].repeat(4, axis=2).repeat(4, axis=3)
    fine = np.pad(fine, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=-1000)  # a row and a column too many
    found = inspected(arrays, frames=fine, frame_times_s=EVERY_S[::3, :3], spacing_mm=np.array([5, 0.59, 0.59]))
    assert found.grouping == (1, 2, 2)
    assert found.overview.shape == (3, 128, 128)
    assert found.brain.shape == (3, 257, 257)


def test_interpolation_keeps_lines_meets_frames_and_holds_the_ends():
    times_s = np.array([0, 1, 2.5, 4, 7.0])
    curves = np.stack([2 * times_s + 1, -times_s], axis=1)[:, np.newaxis].astype(np.float32)
    grid_s = np.linspace(0, 7, 23)
    found = interpolate(curves, times_s, grid_s)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], np.stack([2 * grid_s + 1, -grid_s], axis=1), atol=1e-5)
    np.testing.assert_array_equal(interpolate(curves, times_s, times_s), curves)
    beyond = interpolate(curves, times_s, np.array([-3, 0, 7, 9.0]))
    np.testing.assert_array_equal(beyond, curves[[0, 0, -1, -1]])
    rough = np.random.default_rng(0).normal(size=5).astype(np.float32)
    np.testing.assert_allclose(interpolate(rough, times_s, grid_s), np.interp(grid_s, times_s, rough), atol=1e-6)


def test_marked_voxels_lie_where_they_are_however_near_the_images_edge(inspected):
    from matplotlib.figure import Figure

    from ctpbench.report.inspection import _draw_place

    arrays = head(EVERY_S, skull=False)
    found = inspected(arrays, frames=arrays["frames"][..., :60, 11:])  # the brain's back and left are at the edge
    axes = Figure().add_subplot()
    _draw_place(axes, found, "AIF", found.inputs.aif, "red")
    left, right, bottom, top = axes.images[0].get_extent()
    image = axes.images[0].get_array()
    assert image.shape == (bottom - top, right - left)
    vessel = found.inputs.aif.curve.max() - 30
    for x, y in axes.collections[0].get_offsets():
        assert image[int(y - top), int(x - left)] > vessel
