"""Images that a scan lacks, or that cannot be used: found, filled, told; and how much may be lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ctpbench import DataError, Inspection, inspect_series
from ctpbench.scans.gaps import Bridged, Faults, listed
from tests.fakes.ctpbench_fakes import ToySeries, head, save_scan

FRAMES, SLICES = 45, 5
EVERY_S = np.repeat(np.arange(FRAMES)[:, np.newaxis] * 1.0, SLICES, axis=1)

Inspect = Callable[..., Inspection]


@pytest.fixture(scope="module")
def still() -> dict[str, np.ndarray]:
    """A head scanned every second."""
    return head(EVERY_S)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., ToySeries]:
    """Make a scan of some arrays, of which images are missing."""

    def make(arrays: dict[str, np.ndarray], missing: np.ndarray | None = None) -> ToySeries:
        series = ToySeries(save_scan(tmp_path / "scan.toy.npz", **arrays))
        series.missing = missing
        return series

    return make


def spoilt(still: dict[str, np.ndarray], how: Callable[[np.ndarray], None]) -> dict[str, np.ndarray]:
    """Return the scan's arrays after something was done to its frames, (time, z, y, x)."""
    frames = still["frames"].copy()
    how(frames)
    return still | {"frames": frames}


def zero_last(frames: np.ndarray) -> None:
    frames[-1] = 0


def lose_a_slice(frames: np.ndarray) -> None:
    frames[20:23, 2] = -1024


def lose_half(frames: np.ndarray) -> None:
    frames[10, 1, 28:] = -1000


def shift(frames: np.ndarray) -> None:
    frames[7, 3] += 1024


def lift(frames: np.ndarray) -> None:
    frames[7, 3] += 40


def repeat(frames: np.ndarray) -> None:
    frames[30] = frames[29]


@pytest.mark.parametrize(
    ("how", "note", "kept"),
    [
        (zero_last, "left out: frame 45 (empty)", 44),
        (lose_a_slice, "left out: slice 3 of frames 21-23 (empty)", 45),
        (lose_half, "left out: slice 2 of frame 11 (empty)", 45),
        (shift, "left out: slice 4 of frame 8 (unlike the others in half of the image)", 45),
        (lift, "left out: slice 4 of frame 8 (unlike the others in half of the image)", 45),
        (repeat, "left out: frame 31 (as the frame before, to the last pixel)", 45),
    ],
)
def test_bad_images_are_named_and_cost_no_scan(opened, still, how, note, kept):
    sound, found = inspect_series(opened(still)), inspect_series(opened(spoilt(still, how)))
    assert note in found.warnings
    assert not [text for text in found.warnings if text not in (note, *sound.warnings)]
    assert found.times_s.size == found.facts["frames"] == kept
    assert found.inputs is not None
    assert np.corrcoef(found.inputs.scaled_aif, sound.inputs.scaled_aif[:kept])[0, 1] > 0.999
    read = found.frames(slice(None))
    assert np.abs(read[:, 1:] - still["frames"][:kept, 1:]).mean() < 1.0


def test_another_slope_is_found_however_much_air_there_is():
    frames = np.full((12, 2, 30, 30), -1000, np.float32)
    frames[:, :, 10:20, 10:20] = np.random.default_rng(0).normal(35, 5, (12, 2, 10, 10))
    frames[4, 1] = 1.08 * (frames[4, 1] + 1024) - 1024
    np.testing.assert_array_equal(np.argwhere(Faults.of(frames).unlike), [[4, 1]])


def test_what_lies_between_is_the_mean_of_its_neighbours(opened, still):
    found = inspect_series(opened(spoilt(still, shift)))
    expected = (still["frames"][6, 3] + still["frames"][8, 3]) / 2
    np.testing.assert_allclose(found.frames(slice(3, 4))[7, 0], expected, atol=1e-3)


def test_images_that_the_reader_misses_are_filled_or_shorten_the_scan(opened, still):
    missing = np.zeros((FRAMES, SLICES), bool)
    missing[20, 2] = missing[44, 3:] = missing[0, 0] = True
    found = inspect_series(opened(still, missing))
    assert "missing: slice 1 of frame 1 and slice 3 of frame 21 and slices 4-5 of frame 45" in found.warnings
    assert found.facts["frames"] == 43
    assert found.facts["images_interpolated"] == 1
    assert found.times_s[0] == 0
    np.testing.assert_array_equal(found.frames(slice(1, 2))[:, 0], still["frames"][1:44, 1])


def test_a_scan_that_lost_more_than_a_tenth_is_refused(opened, still):
    def lose(frames):
        frames[::4, :3] = 0

    with pytest.raises(DataError, match=r"got 36 of 225 images .* allowed: up to 10% of the images"):
        inspect_series(opened(spoilt(still, lose)))
    missing = np.zeros((FRAMES, SLICES), bool)
    missing[-5:, 2] = True  # 2% of the images, a ninth of the frames
    with pytest.raises(DataError, match="slice 3 of frames 41-45; allowed: up to 10%"):
        inspect_series(opened(still, missing))
    missing[:] = True
    with pytest.raises(DataError, match="got 225 of 225 images"):
        inspect_series(opened(still, missing))


def test_a_scan_sampled_up_is_said_and_kept(opened, still):
    def double(frames):
        frames[1::2] = frames[:-1:2]

    found = inspect_series(opened(spoilt(still, double)))
    assert any(text.startswith("copies: 22 of 45 frames are the frame before") for text in found.warnings)
    assert found.facts["frames"] == FRAMES


def test_a_scan_without_noise_has_no_copies(opened):
    quiet = head(EVERY_S, noise_hu=0)
    assert (np.diff(quiet["frames"][:6], axis=0) == 0).all()
    assert not Faults.of(quiet["frames"].astype(np.float32)).lost.any()


def test_a_sound_scan_has_no_faults(still):
    for frames in (still["frames"], np.maximum(still["frames"], 0), still["frames"][:, :1]):
        assert not Faults.of(frames.astype(np.float32)).lost.any()


def test_a_bridged_scan_writes_as_its_source(opened, still, tmp_path):
    missing = np.zeros((FRAMES, SLICES), bool)
    missing[20, 2] = True
    bridged = Bridged(opened(still), missing)
    with bridged.create(tmp_path, "cbf", times_s=None, units="1") as volume:
        volume.put(0, np.zeros(bridged.shape[1:], np.float32))
    assert (tmp_path / "cbf.npy").is_file()


def test_places_are_listed_as_people_do():
    lost = np.zeros((9, 4), bool)
    lost[[0, 1, 2, 7]] = True
    lost[4, [0, 2, 3]] = lost[5, [0, 2, 3]] = True
    assert listed(lost) == "frames 1-3, 8 and slices 1, 3-4 of frames 5-6"
