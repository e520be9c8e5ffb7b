"""What an observation, regions and a method's output must be: each breach is named, and together with the others."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctpbench import DataError, Observation, check_observation, regions
from ctpbench.contract.answers import check_output
from ctpbench.contract.case import MAP_UNITS, MAPS
from ctpbench.contract.observation import OBSERVATION_COORDS
from ctpbench.testing import example_observation


@pytest.fixture
def frames() -> xr.DataArray:
    """Sound frames that may be written to."""
    return example_observation(frames=5).frames.copy(deep=True)


def arrays(**changes):
    """The arguments of `Observation.of` for 4 frames of 2 x 3 pixels."""
    shape = (1, 2, 3)
    return {
        "frames": np.arange(24, dtype=np.float32).reshape(4, *shape),
        "times_s": [0, 1, 3, 4],
        "spacing_mm": (5, 1, 0.5),
        "brain": np.ones(shape, bool),
        "vessels": np.arange(6).reshape(shape) == 4,
        "aif": [0, 50, 90, 10],
        **changes,
    }


def test_an_observation_is_built_from_plain_arrays():
    observation = Observation.of(**arrays(vof=[0, 0, 40, 80]))
    frames = observation.frames
    assert set(frames.coords) == set(OBSERVATION_COORDS)
    assert frames.values.tobytes() == arrays()["frames"].tobytes()
    assert [frames[dim].values.tolist() for dim in ("z", "y", "x")] == [[0.0], [0.0, 1.0], [0.0, 0.5, 1.0]]
    assert frames.attrs == {"units": "HU", "spacing_mm": [5.0, 1.0, 0.5]}
    assert observation.times_s.tolist() == [0, 1, 3, 4]
    assert observation.dt_s == 1.0
    assert observation.aif.tolist() == [0, 50, 90, 10]
    assert observation.aif.dtype == frames["vof"].dtype == np.float32
    assert observation.tissue.tolist() == [[[True, True, True], [True, False, True]]]
    assert "vof" not in Observation.of(**arrays()).frames.coords


def test_solid_tissue_is_that_of_20_hu_or_more_in_the_mean_over_time():
    """Means of 9 to 14 and, of the vessel, 13 HU."""
    observation = Observation.of(**arrays())
    assert observation.solid(12).tolist() == [[[False, False, False], [True, False, True]]]
    brighter = Observation.of(**arrays(frames=arrays()["frames"] + 9))
    assert brighter.solid().tolist() == [[[False, False, True], [True, False, True]]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frames": np.zeros((4, 2, 3), np.float32)}, r"frames: got shape \(4, 2, 3\); allowed: 4 axes"),
        ({"brain": np.ones((1, 2, 2), bool)}, "observation: conflicting sizes for dimension 'x'"),
        ({"aif": [0, 1, 2]}, "observation: conflicting sizes for dimension 'time'"),
        ({"frames": np.zeros((4, 1, 2, 3))}, "frames: got dtype float64; allowed: float32"),
        ({"times_s": [0, 1, 1, 2]}, "times that do not increase"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(DataError, match=said):
        Observation.of(**arrays(**changes))


def mask_of(frames, name, dtype=bool, dims=("z", "y", "x")):
    mask = frames[name].variable.astype(dtype).transpose(*dims)
    return frames.assign_coords({name: mask})


def written(name, value):
    def change(frames):
        frames[name].values[..., 0] = value
        return frames

    return change


BREACHES = {
    "frames: got dims": lambda f: f.transpose("z", "time", "y", "x"),
    "frames: got dtype float64; allowed: float32": lambda f: f.astype(np.float64),
    "frames: got NaN or infinity; allowed: finite HU": lambda f: f.where(f > 0).astype(np.float32),
    "time: got fewer than 3 frames or times that do not increase": lambda f: f[:2],
    "3 or more, increasing": lambda f: f.assign_coords(time=f["time"].values[::-1]),
    "brain: got int8": lambda f: mask_of(f, "brain", np.int8),
    "vessels: got float32": lambda f: mask_of(f, "vessels", np.float32),
    r"vessels: got bool ('x', 'y', 'z'); allowed: bool ('z', 'y', 'x')": lambda f: mask_of(
        f, "vessels", dims=("x", "y", "z")
    ),
    "brain: got an empty mask; allowed: at least one voxel": lambda f: f.assign_coords(brain=f["brain"] & False),
    "aif: got NaN or infinity": written("aif", np.inf),
    "vof: got NaN or infinity": written("vof", np.nan),
    "aif: got no positive sample": lambda f: f.assign_coords(aif=-abs(f["aif"])),
    "attrs['spacing_mm'] missing": lambda f: f.drop_attrs(deep=False),
    "allowed: voxel size (z, y, x) in mm": lambda f: f.assign_attrs(spacing_mm=[1.0, 1.0]),
    **{
        f"frames: coordinates missing: {name}": lambda f, name=name: f.drop_vars(name)
        for name in OBSERVATION_COORDS
        if name != "vof"
    },
}


@pytest.mark.parametrize("said", BREACHES)
def test_each_breach_is_named_alone(frames, said):
    check_observation(Observation(frames))
    with pytest.raises(DataError) as raised:
        check_observation(Observation(BREACHES[said](frames)))
    text = str(raised.value)
    assert said in text
    assert text.startswith("observation: ")
    assert text.count("; allowed") + text.count("missing: ") == 1
    assert "\n" not in text


def test_all_breaches_are_named_at_once(frames):
    frames = mask_of(frames, "vessels", np.int8).astype(np.float64).drop_attrs(deep=False)
    with pytest.raises(DataError, match=r"float64; .*vessels: got int8 .*spacing_mm"):
        check_observation(Observation(frames))


def test_the_venous_curve_may_be_unknown(frames):
    check_observation(Observation(frames.drop_vars("vof")))


def test_regions_keep_names_and_voxels():
    masks = {"white_matter": np.arange(6).reshape(1, 2, 3) > 3, "core": np.arange(6).reshape(1, 2, 3) == 0}
    rois = regions(**masks)
    assert rois.dims == ("roi", "z", "y", "x")
    assert rois.dtype == bool
    assert rois["roi"].values.tolist() == ["white_matter", "core"]
    for name, mask in masks.items():
        np.testing.assert_array_equal(rois.sel(roi=name), mask)


def test_maps_have_units():
    assert list(MAP_UNITS) == list(MAPS)


OUTPUT_BREACHES = {
    "denoise: got ndarray; allowed: DataArray ('time', 'x')": lambda f: f.values,
    "denoise: got dims ('x', 'time'); allowed: ('time', 'x')": lambda f: f.transpose("x", "time"),
    "denoise: got 1 along x; allowed: 2": lambda f: f[:, :1],
    "denoise: coordinate time was changed; allowed: the input's": lambda f: f.assign_coords(time=f["time"] + 1),
    "denoise: got dtype float64; allowed: float32": lambda f: f.astype(np.float64),
    "denoise: got 2 values that are NaN or infinite; allowed: finite values": lambda f: f.where(f > 1, np.inf),
}


@pytest.mark.parametrize("said", OUTPUT_BREACHES)
def test_an_output_that_breaks_its_contract_is_refused(said):
    like = xr.DataArray(np.arange(6, dtype=np.float32).reshape(3, 2), dims=("time", "x"), coords={"time": [0, 1, 2]})
    assert check_output(like, ("time", "x"), like, "denoise") is like
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        check_output(OUTPUT_BREACHES[said](like), ("time", "x"), like, "denoise")
    assert str(raised.value) == said


def test_an_output_may_have_dims_of_its_own_and_no_coordinates():
    like = xr.DataArray(np.zeros((3, 2), np.float32), dims=("time", "x"), coords={"x": [0.0, 1.0]})
    residues = xr.DataArray(np.zeros((6, 2), np.float32), dims=("lag", "x"))
    assert check_output(residues, ("lag", "x"), like, "deconvolve") is residues
