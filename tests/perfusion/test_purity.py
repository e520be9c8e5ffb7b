"""Voxels of a vein among an artery's, and mixtures of both, are left out; an artery's noise leaves it whole."""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench.perfusion.purity import without_vein
from ctpbench.perfusion.vessels import prepared

FRAMES = np.arange(45.0)


def bolus(peak_s, width_s=4.5):
    return np.exp(-(((FRAMES - peak_s) / width_s) ** 2))


def scan_of(shares, later_s=5.0, noise_hu=5.0, seed=0):
    """A slice of tissue, and in its rows voxels of whose blood some share is the vein's; the last row is a vein."""
    series = 4 * np.ones((1, 40, 40)) * bolus(18, 7)[:, None, None, None]
    artery, vein = 60 * bolus(14), 90 * bolus(14 + later_s, 5.5)
    for number, share in enumerate(shares):
        series[:, 0, 10 + number, 10:30] = ((1 - share) * artery + share * vein)[:, None]
    series[:, 0, 30, 10:30] = vein[:, None]
    series += np.random.default_rng(seed).normal(0, noise_hu, series.shape)
    scan = prepared(series.reshape(len(series), -1), np.ones((1, 40, 40), bool), (5.0, 2.0, 2.0), 1.0, (0.0, 1.0, 0.0))
    rows, columns = scan.voxels[:, 1], scan.voxels[:, 2]
    across = (columns >= 10) & (columns < 30)
    artery = np.flatnonzero(across & (rows >= 10) & (rows < 10 + len(shares)))
    return scan, artery, np.flatnonzero(across & (rows == 30))


def rows_kept(scan, artery, vein):
    return np.bincount(scan.voxels[without_vein(scan, artery, vein), 1] - 10, minlength=4) / 20


def test_voxels_of_a_vein_and_mixtures_are_left_out():
    kept = rows_kept(*scan_of([0.0, 0.0, 0.5, 1.0]))
    assert kept[:2].min() >= 0.95
    assert kept[2:].max() == 0


def test_veins_are_found_out_where_they_are_half_of_all():
    kept = rows_kept(*scan_of([0.0, 0.0, 1.0, 1.0]))
    assert kept[:2].min() >= 0.95
    assert kept[2:].max() == 0


@pytest.mark.parametrize("noise_hu", [2.0, 20.0, 40.0])
def test_noise_alone_leaves_an_artery_whole(noise_hu):
    assert rows_kept(*scan_of([0.0] * 4, noise_hu=noise_hu)).mean() > 0.9


def test_what_stays_is_in_order():
    scan, artery, vein = scan_of([0.0, 1.0])
    backwards = without_vein(scan, artery[::-1], vein)
    np.testing.assert_array_equal(backwards[::-1], without_vein(scan, artery, vein))


def test_a_vein_that_is_hardly_later_tells_nothing():
    scan, artery, vein = scan_of([0.0, 0.0, 0.5, 1.0], later_s=0.5)
    np.testing.assert_array_equal(without_vein(scan, artery, vein), artery)
    np.testing.assert_array_equal(without_vein(scan, artery, vein[:0]), artery)
    assert without_vein(scan, artery[:0], vein).size == 0
