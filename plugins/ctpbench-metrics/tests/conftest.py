"""A scored case from plain arrays, for every test of this package."""

import numpy as np
import pytest
import xarray as xr

from ctpbench import Observation, ScoredCase, Truth, regions

VOLUME = ("z", "y", "x")


def map_array(maps):
    """Stack {name: (z, y, x)} to a read-only float32 DataArray (map, z, y, x)."""
    values = np.stack([np.asarray(values, dtype=np.float32) for values in maps.values()])
    values.flags.writeable = False
    return xr.DataArray(values, dims=("map", *VOLUME), coords={"map": list(maps)})


def frame_array(values):
    return xr.DataArray(np.asarray(values, dtype=np.float32), dims=("time", *VOLUME))


def label_array(values, meanings):
    """Class numbers (z, y, x) with their names, blank-separated, from 0 up."""
    flags = {"flag_values": list(range(len(meanings.split()))), "flag_meanings": meanings}
    return xr.DataArray(np.asarray(values, dtype=np.int8), dims=VOLUME, attrs=flags)


@pytest.fixture
def make_case():
    """Return a function of the method's, the noiseless and the true maps, each {name: (z, y, x)}.

    Where no true maps are given there is true flow in every voxel, so that all tissue is parenchyma.
    """

    def make(
        maps,
        noiseless=None,
        true_maps=None,
        *,
        brain=None,
        vessels=None,
        frames=None,
        times_s=(0.0, 1.0, 2.5),
        spacing_mm=(5.0, 1.0, 1.0),
        concentration=None,
        noiseless_concentration=None,
        rois=None,
        aif=None,
        **truth,
    ):
        shape = np.shape(next(iter(maps.values())))
        observation = Observation.of(
            np.full((len(times_s), *shape), 35, np.float32) if frames is None else np.asarray(frames, np.float32),
            times_s=times_s,
            spacing_mm=spacing_mm,
            brain=np.ones(shape, bool) if brain is None else brain,
            vessels=np.zeros(shape, bool) if vessels is None else vessels,
            aif=np.arange(len(times_s)) if aif is None else aif,
        )
        return ScoredCase(
            "case",
            observation,
            map_array(maps),
            None if noiseless is None else map_array(noiseless),
            Truth(maps=map_array({"cbf": np.ones(shape)} if true_maps is None else true_maps), **truth),
            None if concentration is None else frame_array(concentration),
            None if noiseless_concentration is None else frame_array(noiseless_concentration),
            None if rois is None else regions(**rois),
        )

    return make
