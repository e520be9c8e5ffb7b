"""Core and penumbra drawn from slices as they come."""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench.scans.lesions import LesionVoxels

SHAPE = (2, 3, 8)
BRAIN = np.ones(SHAPE, bool)


def drawn(cbf, tmax, solid=BRAIN):
    voxels = LesionVoxels(BRAIN)
    for z in range(SHAPE[0]):
        one = slice(z, z + 1)
        voxels.add(one, solid[one], cbf[one].astype(np.float32), tmax[one].astype(np.float32))
    return voxels.lesions(voxel_ml=0.5)


def test_a_core_is_held_against_the_other_side_of_all_slices():
    """Each slice alone has half of its other side low; over both, the healthy mean is 40, and 10 is core."""
    cbf, tmax = np.full(SHAPE, 60.0), np.zeros(SHAPE)
    cbf[0, :, 4:], cbf[1, 1, 1], tmax[1, 1, 1:3] = 20.0, 10.0, 7.0
    found = drawn(cbf, tmax)
    assert np.argwhere(found.masks["core"]).tolist() == [[1, 1, 1]]
    assert np.argwhere(found.masks["penumbra"]).tolist() == [[1, 1, 1], [1, 1, 2]]
    assert found.volumes_ml == {"core": 0.5, "penumbra": 1.0, "mismatch": 0.5}


def test_fluid_is_in_neither():
    cbf, tmax, solid = np.full(SHAPE, 60.0), np.zeros(SHAPE), BRAIN.copy()
    cbf[:, 0, 0], tmax[:, 0, 0], solid[:, 0, 0] = 0.0, 9.0, False
    assert drawn(cbf, tmax, solid).volumes_ml == {"core": 0.0, "penumbra": 0.0, "mismatch": 0.0}


@pytest.mark.parametrize("side", [slice(0, 4), slice(4, 8)])
def test_without_tissue_on_one_side_there_is_no_core(side):
    solid = BRAIN.copy()
    solid[:, :, side] = False
    assert drawn(np.full(SHAPE, 60.0), np.full(SHAPE, 7.0), solid).volumes_ml == {"penumbra": 12.0}


def test_what_is_no_number_is_no_lesion():
    cbf, tmax = np.full(SHAPE, 60.0), np.zeros(SHAPE)
    cbf[1, 0, 0] = tmax[1, 0, 0] = np.nan
    assert drawn(cbf, tmax).masks == {}


def test_of_no_slice_nothing_is_drawn():
    assert LesionVoxels(BRAIN).lesions(1.0).masks == {}
