"""Displacements planted in a head drawn with soft edges at any fraction of a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench.errors import DataError
from ctpbench.perfusion.motion import motion_mm

SIZE, FRAMES = 160, 16
SPACING_MM = (1.0, 1.0)
EMPTY = {"skull": -1000.0, "brain on air": -1000.0, "brain on 0": 0.0}


def ellipse(y, x, centre, axes):
    """1 inside, 0 outside, with an edge about one pixel soft."""
    radius = np.hypot((y - centre[0]) / axes[0], (x - centre[1]) / axes[1])
    return 1 / (1 + np.exp(np.clip(4 * (radius - 1) * min(axes), -50, 50)))


def head(kind, shift_px=(0.0, 0.0), contrast=0.0):
    """A slice in HU: brain, ventricles, a sinus near the bone and, but for a brain cut out, skull and scalp."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    y, x = y - shift_px[0], x - shift_px[1]
    brain = ellipse(y, x, (0, 0), (56, 46))
    inside = 32 + contrast * (8 + 32 * ellipse(y, x, (5, 22), (30, 15)))  # one side enhances more
    inside = inside - 20 * (ellipse(y, x, (0, -8), (16, 4)) + ellipse(y, x, (0, 8), (16, 4)))
    for centre, axes, peak_hu in (((51, 0), (4, 3), 250), ((-18, -14), (2, 8), 300), ((-18, 14), (2, 8), 300)):
        inside = inside + contrast * peak_hu * ellipse(y, x, centre, axes)
    if kind != "skull":
        return EMPTY[kind] + brain * (inside - EMPTY[kind])
    skull, scalp = ellipse(y, x, (0, 0), (62, 52)), ellipse(y, x, (0, 0), (67, 57))
    return -1000 + scalp * 1040 + skull * 860 + brain * (inside - 900)


def scan(kind, shifts_px, contrast, noise_hu=8.0, seed=0):
    noise = noise_hu * np.random.default_rng(seed).normal(size=(len(shifts_px), SIZE, SIZE))
    frames = np.stack([head(kind, shift, c) for shift, c in zip(shifts_px, contrast, strict=True)])
    return (frames + noise * (np.abs(frames - EMPTY[kind]) > 1)).astype(np.float32)


def shifts(reach_px, seed=1):
    planted = np.random.default_rng(seed).uniform(-reach_px, reach_px, size=(FRAMES, 2))
    planted[0] = 0
    return planted


BOLUS = np.sin(np.linspace(0, np.pi, FRAMES)) ** 2


@pytest.mark.parametrize("reach_px", [0.5, 5.6])
@pytest.mark.parametrize("contrast", [0 * BOLUS, BOLUS], ids=["no contrast", "bolus"])
@pytest.mark.parametrize("kind", list(EMPTY))
def test_displacements_are_found(kind, contrast, reach_px):
    planted = shifts(reach_px)
    found = motion_mm(scan(kind, planted, contrast), SPACING_MM)
    assert found.dtype == np.float64
    assert found.shape == (FRAMES,)
    assert found[0] == 0
    np.testing.assert_allclose(found, np.hypot(*planted.T), atol=0.2)


@pytest.mark.parametrize("kind", list(EMPTY))
def test_a_still_head_with_a_bolus_stays(kind):
    assert motion_mm(scan(kind, np.zeros((FRAMES, 2)), BOLUS), SPACING_MM).max() < 0.3


def test_pixels_are_turned_into_mm():
    planted = np.array([(0, 0), (3, 0), (0, 3), (-3, -4)])
    found = motion_mm(scan("skull", planted, np.zeros(4)), (0.5, 2.0))
    np.testing.assert_allclose(found, [0, 1.5, 6, np.hypot(1.5, 8)], atol=0.2)


def test_a_shift_by_whole_pixels_is_exact():
    image = head("skull")
    frames = np.stack([image, np.roll(image, (4, -3), (0, 1))])
    assert motion_mm(frames, SPACING_MM)[1] == pytest.approx(5, abs=1e-3)


def test_a_head_rest_that_stays_does_not_hold_the_head():
    planted = shifts(5.6)
    frames = scan("skull", planted, BOLUS)
    frames[:, -8:] = np.maximum(frames[:, -8:], -600)
    np.testing.assert_allclose(motion_mm(frames, SPACING_MM), np.hypot(*planted.T), atol=0.2)


def test_a_head_cut_off_by_the_field_of_view_is_followed():
    planted = shifts(3)
    frames = scan("skull", planted, BOLUS)[:, 35:, :]
    np.testing.assert_allclose(motion_mm(frames, SPACING_MM), np.hypot(*planted.T), atol=0.3)


def test_hu_far_outside_the_field_of_view_do_not_matter():
    frames = scan("skull", shifts(3), BOLUS)
    corner = np.where(frames < -900, np.float32(-3024), frames)
    np.testing.assert_array_equal(motion_mm(corner, SPACING_MM), motion_mm(frames, SPACING_MM))


def test_without_edges_nothing_moves():
    np.testing.assert_array_equal(motion_mm(np.full((3, 20, 20), 40.0), SPACING_MM), [0, 0, 0])


@pytest.mark.parametrize(
    ("frames", "spacing_mm", "message"),
    [
        (np.zeros((3, 1, 20, 20)), SPACING_MM, "3 axes"),
        (np.zeros((0, 20, 20)), SPACING_MM, "3 axes"),
        (np.zeros((3, 20, 2)), SPACING_MM, "3 pixels or more"),
        (np.full((3, 20, 20), np.nan), SPACING_MM, "finite HU"),
        (np.zeros((3, 20, 20)), (5.0, 1.0, 1.0), "2 sizes"),
        (np.zeros((3, 20, 20)), (0.0, 1.0), "above 0 mm"),
    ],
)
def test_what_is_no_slice_is_refused(frames, spacing_mm, message):
    with pytest.raises(DataError, match=message):
        motion_mm(frames, spacing_mm)
