"""Every one of the 48 ways to store an image, and oblique ones."""

import nibabel as nib
import numpy as np
import pytest

from ctpbench import DataError
from ctpbench_isles.orientation import Grid

from .nifti_files import ORIENTATIONS, affine_of, grid_of, stored_in

SHAPE, SPACING_MM = (3, 4, 5), (5.0, 0.5, 0.75)


def test_there_are_48_orientations_and_the_test_writes_them_as_nibabel_names_them():
    assert len(set(ORIENTATIONS)) == 48
    for codes in ORIENTATIONS:
        assert nib.aff2axcodes(affine_of(codes, SHAPE, SPACING_MM)) == codes


@pytest.mark.parametrize("codes", ORIENTATIONS, ids="".join)
def test_stored_images_come_to_the_canonical_axes_and_back(codes):
    canonical = np.arange(60).reshape(SHAPE)
    grid, stored = grid_of(codes, SHAPE, SPACING_MM), stored_in(codes, canonical)
    assert grid.canonical_shape == SHAPE
    assert grid.spacing_mm == SPACING_MM
    assert np.array_equal(grid.to_canonical(stored), canonical)
    assert np.array_equal(grid.to_stored(canonical), stored)


@pytest.mark.parametrize("codes", ORIENTATIONS, ids="".join)
def test_the_canonical_axes_point_to_the_head_the_back_and_the_left(codes):
    grid = grid_of(codes, SHAPE, SPACING_MM)
    places = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    world = places @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    right, front, head = (grid.to_canonical(world[..., n]) for n in range(3))
    assert (np.diff(head, axis=0) > 0).all()
    assert (np.diff(front, axis=1) < 0).all()
    assert (np.diff(right, axis=2) < 0).all()


@pytest.mark.parametrize("codes", ORIENTATIONS, ids="".join)
@pytest.mark.parametrize("slices", [slice(0, 1), slice(1, 3), slice(None)])
def test_some_slices_are_the_same_stored_slices(codes, slices):
    canonical = np.arange(60).reshape(SHAPE)
    grid, stored = grid_of(codes, SHAPE, SPACING_MM), stored_in(codes, canonical)
    part = stored[tuple(grid.stored_slices(slices) if n == grid.axes[0] else slice(None) for n in range(3))]
    assert np.array_equal(grid.to_canonical(part), canonical[slices])


@pytest.mark.parametrize("codes", [("L", "P", "S"), ("R", "A", "S"), ("A", "I", "R")], ids="".join)
def test_oblique_images_take_the_closest_axes(codes):
    tilt = np.deg2rad(25)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    straight = grid_of(codes, SHAPE, SPACING_MM)
    oblique = Grid(turn @ straight.affine, straight.shape)
    assert (oblique.axes, oblique.flips) == (straight.axes, straight.flips)
    np.testing.assert_allclose(oblique.spacing_mm, SPACING_MM)


@pytest.mark.parametrize("affine", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3), np.diag([1, 0, 1, 1])])
def test_an_affine_without_an_inverse_is_refused(affine):
    with pytest.raises(DataError, match=r"affine: .*allowed: a finite, invertible 4 x 4 matrix"):
        Grid(affine, SHAPE)
