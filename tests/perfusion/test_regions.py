"""Flat white matter: on a drawn head whose tissue is known, and on slices of the simulated one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ctpbench.errors import DataError
from ctpbench.perfusion import flat_white_matter
from ctpbench_phantom.anatomy import Tissue
from ctpbench_phantom.phantom import Phantom

SPACING_MM = (5.0, 1.5, 1.5)
FLUID, GRAY, WHITE, LATE = 1, 2, 3, 4
UNENHANCED_HU = np.array([-1000.0, 12.0, 36.0, 28.0, 28.0])
PEAK_HU = np.array([0.0, 0.0, 12.0, 6.0, 6.0])
DELAY_S = np.array([0.0, 0.0, 0.0, 0.0, 9.0])
DISC_MM2 = np.pi * 4.5**2


def head(lesion_side=-1):
    """Two slices: gray matter 6 mm wide about white, a ventricle in the middle, late white matter on one side."""
    y, x = np.meshgrid(*(1.5 * (np.arange(n) - (n - 1) / 2) for n in (96, 84)), indexing="ij")
    label = np.zeros((2, *y.shape), int)
    label[:, np.hypot(y / 66, x / 54) < 1] = GRAY
    label[:, np.hypot(y / 60, x / 48) < 1] = WHITE
    label[:, np.hypot(y, x - lesion_side * 28) < 17] = LATE
    label[:, np.hypot(y / 20, x / 8) < 1] = FLUID
    return label


def scanned(label, noise_hu=10.0, frames=44, seed=0):
    time_s = np.arange(frames) - DELAY_S[:, None]
    bolus = np.exp(-0.5 * ((time_s - 18) / 5) ** 2)
    curves = UNENHANCED_HU[:, None] + PEAK_HU[:, None] * bolus
    clean = np.moveaxis(curves[label], -1, 0)
    return (clean + noise_hu * np.random.default_rng(seed).standard_normal(clean.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def drawn():
    label = head()
    return label, scanned(label)


@pytest.mark.parametrize("noise_hu", [0.0, 7.0, 15.0])
@pytest.mark.parametrize("lesion_side", [-1, 1])
def test_three_discs_a_slice_in_white_matter_of_the_side_without_lesion(lesion_side, noise_hu):
    label = head(lesion_side)
    found = flat_white_matter(scanned(label, noise_hu), label > 0, SPACING_MM)
    assert found.dtype == bool
    area_mm2 = found.sum(axis=(1, 2)) * 1.5**2
    assert area_mm2 == pytest.approx(3 * DISC_MM2, rel=0.1)
    assert (label[found] == WHITE).all()
    columns = np.argwhere(found)[:, 2] - (label.shape[2] - 1) / 2
    assert (np.sign(columns) == -lesion_side).mean() > 0.9  # a disc may overlap the middle, its centre may not


def test_excluded_and_foreign_voxels_are_not_taken(drawn):
    label, frames = drawn
    free = flat_white_matter(frames, label > 0, SPACING_MM)
    other = flat_white_matter(frames, label > 0, SPACING_MM, exclude=free)
    assert other.any()
    assert not (other & free).any()
    vessels = np.zeros(free.shape, bool)
    vessels[:, 20:70:6, 44:80:6] = True
    assert not (flat_white_matter(frames, (label > 0) & ~vessels, SPACING_MM) & vessels).any()


def test_scaled_and_shifted_curves_give_the_same_discs(drawn):
    """Nothing depends on the contrast's amount or on what lies outside the tissue."""
    label, frames = drawn
    tissue = label > 0
    found = flat_white_matter(frames, tissue, SPACING_MM)
    mean = frames.mean(axis=0)
    assert np.array_equal(flat_white_matter(mean + 0.5 * (frames - mean), tissue, SPACING_MM), found)
    assert np.array_equal(flat_white_matter(np.where(tissue, frames, 3000), tissue, SPACING_MM), found)


def test_a_mirrored_head_has_mirrored_discs(drawn):
    label, frames = drawn
    found = flat_white_matter(frames, label > 0, SPACING_MM)
    mirrored = flat_white_matter(frames[..., ::-1], label[..., ::-1] > 0, SPACING_MM)
    assert np.array_equal(mirrored[..., ::-1], found)


@pytest.mark.parametrize("what", ["no tissue", "tissue narrower than a disc", "fluid alone", "all excluded"])
def test_nothing_is_found_where_there_is_nothing(what):
    label = head()
    tissue = {"no tissue": label > 9, "tissue narrower than a disc": (label > 0) & (np.arange(84) % 5 > 0)}
    frames = np.full((5, *label.shape), 12, np.float32) if what == "fluid alone" else scanned(label)
    exclude = label > 0 if what == "all excluded" else None
    assert not flat_white_matter(frames, tissue.get(what, label > 0), SPACING_MM, exclude=exclude).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": np.zeros((5, 4, 4))}, "frames: got shape"),
        ({"frames": np.zeros((2, 1, 4, 4))}, "3 frames or more"),
        ({"tissue": np.ones((1, 4, 5), bool)}, "tissue: got shape"),
        ({"exclude": np.ones((2, 4, 4), bool)}, "exclude: got shape"),
        ({"spacing_mm": (1.0, 1.0)}, "spacing_mm"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "spacing_mm"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    given = {"frames": np.zeros((5, 1, 4, 4)), "tissue": np.ones((1, 4, 4), bool), "spacing_mm": SPACING_MM, **change}
    with pytest.raises(DataError, match=message):
        flat_white_matter(given.pop("frames"), given.pop("tissue"), given.pop("spacing_mm"), **given)


def test_regions_of_the_simulated_head_are_normal_white_matter():
    phantom = Phantom(
        size_px=128,
        pixel_mm=1.6,
        views=576,
        detectors=256,
        test_slices=4,
        slice_step=12,
        train_slices=0,
        validation_slices=0,
    )
    for name, n0 in product(phantom.cases("test"), (1e5, 2e5)):
        case = phantom.load(name, n0)
        spacing_mm = case.observation.frames.attrs["spacing_mm"]
        found = flat_white_matter(case.observation.frames.values, case.observation.tissue, spacing_mm)
        labels = case.truth.labels.values[found]
        assert found.sum() * 1.6**2 >= 60, name
        assert (labels == Tissue.WHITE).mean() >= 0.95, name
        lesion = (Tissue.GRAY_REDUCED, Tissue.GRAY_SEVERE, Tissue.WHITE_REDUCED, Tissue.WHITE_SEVERE)
        assert not np.isin(labels, lesion).any(), name
