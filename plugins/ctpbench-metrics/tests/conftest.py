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


@pytest.fixture
def make_case():
    """Return a function of the method's, the noiseless and the true maps, each {name: (z, y, x)}."""

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
    ):
        shape = np.shape(next(iter(maps.values())))
        observation = Observation.of(
            np.full((len(times_s), *shape), 35, np.float32) if frames is None else np.asarray(frames, np.float32),
            times_s=times_s,
            spacing_mm=spacing_mm,
            brain=np.ones(shape, bool) if brain is None else brain,
            vessels=np.zeros(shape, bool) if vessels is None else vessels,
            aif=np.arange(len(times_s)),
        )
        return ScoredCase(
            "case",
            observation,
            map_array(maps),
            None if noiseless is None else map_array(noiseless),
            None if true_maps is None else Truth(maps=map_array(true_maps)),
            None if concentration is None else frame_array(concentration),
            None if noiseless_concentration is None else frame_array(noiseless_concentration),
            None if rois is None else regions(**rois),
        )

    return make
