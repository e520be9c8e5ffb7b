"""A scan as an array: denoised and mapped as the commands do it, in the form that it was given in."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import xarray as xr

import ctpbench
from ctpbench import Context, perfusion
from ctpbench.calls.functions import called
from ctpbench.errors import CtpbenchError, InputError, PluginError
from ctpbench.perfusion import subtract_baseline
from ctpbench.scans.inspection import inspect_series
from ctpbench.scans.processing import RECORDED, process
from ctpbench.scans.training import trained
from ctpbench.settings import MapsSettings
from tests.fakes.ctpbench_fakes import Learn, Leave, Shrink, ToySeries, Unfold, head, save_scan

FRAMES, SLICES = 30, 3
EVERY_S = np.repeat(np.arange(FRAMES)[:, np.newaxis] * 1.5, SLICES, axis=1)
PLACE = {"spacing_mm": (5, 3, 3), "frame_interval_s": 1.5}


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """A head, of which the first slice is air."""
    return head(EVERY_S)["frames"]


@pytest.fixture(scope="module")
def box() -> xr.DataArray:
    """A piece of tissue that says all that is needed: nothing is looked for in it."""
    rng = np.random.default_rng(0)
    times_s = np.arange(12.0)
    aif = 100 * times_s * np.exp(-times_s / 2)
    values = 30 + rng.normal(size=(12, 2, 4, 5)) + 0.05 * np.convolve(aif, np.ones(5))[:12, None, None, None]
    masks = {"brain": np.ones((2, 4, 5), bool), "vessels": np.zeros((2, 4, 5), bool)}
    return xr.DataArray(
        values.astype(np.float32),
        dims=("time", "z", "y", "x"),
        coords={
            "time": times_s,
            "z": [0.0, 5.0],
            **{name: (("z", "y", "x"), mask) for name, mask in masks.items()},
            "aif": ("time", aif),
        },
        attrs={"spacing_mm": (5, 1, 1)},
    )


@pytest.fixture
def context(tmp_path) -> Context:
    return Context("cpu", 1, np.random.default_rng([0]), tmp_path, tmp_path)


def test_an_array_gives_what_the_same_scan_in_a_file_gives(frames, tmp_path, context):
    denoised = ctpbench.denoise(frames, "shrink", weight=0.2, **PLACE)
    maps = ctpbench.perfusion_maps(frames, method=Shrink(weight=0.2), **PLACE)
    stored = head(EVERY_S) | {"frames": frames, "spacing_mm": np.array(PLACE["spacing_mm"])}
    inspection = inspect_series(ToySeries(save_scan(tmp_path / "scan.toy.npz", **stored)))
    process(inspection, Shrink(weight=0.2), MapsSettings(**RECORDED), context, tmp_path)
    np.testing.assert_array_equal(denoised, np.load(tmp_path / "denoised.npy"))
    for name in ctpbench.MAPS:
        np.testing.assert_array_equal(maps[name], np.load(tmp_path / f"{name}.npy"))
    np.testing.assert_array_equal(denoised["brain"], inspection.brain)
    np.testing.assert_array_equal(denoised["aif"], inspection.inputs.scaled_aif)
    assert denoised.attrs["method"] == "shrink(weight=0.2)"
    assert maps["cbf"].attrs == {"units": "mL/100 g/min", "long_name": "CBF"}


def test_the_maps_are_those_of_the_mathematics(box):
    maps = ctpbench.perfusion_maps(box, lambda_rel=0.1, kappa=1, rho=1)
    concentration = subtract_baseline(box.values)
    twin = perfusion.perfusion_maps(concentration, box["aif"].values.astype(np.float32), 1.0, perfusion.Tikhonov(0.1))
    for name in ctpbench.MAPS:
        np.testing.assert_array_equal(maps[name], twin[name])
    assert maps.attrs["maps"] == "tikhonov 0.1, scaling none"


def test_denoising_first_and_mapping_then_are_the_maps_of_the_method(box):
    one_by_one = ctpbench.perfusion_maps(ctpbench.denoise(box, "shrink", weight=0.7))
    together = ctpbench.perfusion_maps(box, method="shrink", parameters={"weight": 0.7})
    xr.testing.assert_equal(one_by_one.drop_vars(["time"], errors="ignore"), together)
    assert float(abs(together["cbf"] - ctpbench.perfusion_maps(box)["cbf"]).max()) > 0


@pytest.mark.parametrize("order", [("time", "z", "y", "x"), ("z", "y", "x", "time"), ("y", "time", "x")])
def test_what_comes_back_has_the_axes_that_were_given(box, order):
    given = box if "z" in order else box.isel(z=0, drop=True)
    given = given.transpose(*order)
    given["time"] = given["time"] + 7.0
    denoised = ctpbench.denoise(given, lambda frames: frames + 1)
    assert denoised.dims == order
    np.testing.assert_array_equal(denoised, given + np.float32(1))
    np.testing.assert_allclose(denoised["time"], given["time"])
    assert ctpbench.perfusion_maps(given)["cbf"].dims == tuple(dim for dim in order if dim != "time")
    assert ("z" in denoised.coords) == ("z" in order)


def test_a_plain_array_needs_to_be_told_and_gives_the_same(box):
    parts = {name: box[name].values for name in ("brain", "vessels", "aif")}
    told = ctpbench.denoise(box.values, "shrink", spacing_mm=(5, 1, 1), times_s=box["time"], **parts)
    np.testing.assert_array_equal(told, ctpbench.denoise(box, "shrink"))
    late = ctpbench.denoise(box.assign_coords(time=box["time"].values * np.timedelta64(1, "s")), "shrink")
    np.testing.assert_array_equal(late, told)


def test_an_arterys_voxels_may_be_named(frames):
    z, y, x = np.argwhere(frames.max(axis=0) == frames[:, :, 16:48, 16:48].max())[0]
    denoised = ctpbench.denoise(frames, "leave", aif_at=(z, y, x), **PLACE)
    near = ctpbench.denoise(frames, "leave", aif_at=[(z, y, x), (z, y, x)], **PLACE)
    np.testing.assert_array_equal(denoised["aif"], near["aif"])
    assert np.corrcoef(denoised["aif"], frames[:, z, y, x])[0, 1] > 0.999
    assert denoised.attrs["remarks"][0] == "AIF from voxels that were named: the mean of 1; none was looked for"


@pytest.mark.parametrize("at", [(0, 0), (9, 0, 0), (0.5, 0, 0), [[0, 0, 64]], [], "0,0,0"])
def test_no_such_voxel_is_one_line(frames, at):
    with pytest.raises(InputError, match=r"aif_at: got .*; allowed: an index \(z, y, x\) below"):
        ctpbench.denoise(frames, "leave", aif_at=at, **PLACE)


def test_frames_that_are_not_evenly_spaced_are_brought_to_a_grid(box):
    times_s = np.arange(12.0)
    times_s[6:] += 0.5
    denoised = ctpbench.denoise(box, "leave", times_s=times_s)
    np.testing.assert_allclose(np.diff(denoised["time"]), 1.0)
    np.testing.assert_allclose(denoised[6], (box[5] + 2 * box[6]) / 3, rtol=1e-6)
    np.testing.assert_allclose(denoised["aif"][6], (box["aif"][5] + 2 * box["aif"][6]) / 3, rtol=1e-6)


def test_a_learner_learns_from_the_scan_itself_or_brings_a_model(box, frames, tmp_path, context):
    learnt = ctpbench.denoise(box, "learn", factor=0.5)
    np.testing.assert_allclose(learnt, box - 0.5 * float(box.mean()), rtol=1e-5)
    assert learnt.attrs["trained_on"] == "the scan itself"
    inspection = inspect_series(ToySeries(save_scan(tmp_path / "scan.toy.npz", **head(EVERY_S))))
    fitted = trained(Learn(factor=0.5), inspection, context, tmp_path, 0)
    by_model = ctpbench.denoise(box, model=tmp_path / "model")
    np.testing.assert_allclose(by_model, box - np.float32(fitted.bias), rtol=1e-5)
    assert by_model.attrs["trained_on"] == "a model"


def test_chance_is_the_seeds(box):
    first, again, other = (ctpbench.denoise(box, "jitter", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


class Callable:
    """Calls itself, and has a method that can be called."""

    def __call__(self, frames):
        return 2 * frames

    def double(self, frames):
        return frames + frames


def scale(frames, factor=2.0):
    return factor * frames


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda frames: 2 * frames, "lambda"),
        (functools.partial(scale, factor=2.0), "scale"),
        (Callable(), "Callable"),
        (Callable().double, "double"),
        (functools.partial(np.multiply, 2.0), "multiply"),
        (lambda *frames: frames[0].astype(np.float64) * 2, "lambda"),
        (lambda frames: (2 * frames).tolist(), "lambda"),
    ],
)
def test_whatever_can_be_called_with_frames_is_a_method(box, function, name):
    np.testing.assert_array_equal(ctpbench.denoise(box, function), 2 * box)
    assert called(function) == name


def test_a_function_is_given_what_it_names_and_may_change_its_frames(box):
    before = box.copy(deep=True)

    def shift(frames, times_s, *, brain, aif, vof, rng, spacing_mm, by, **others):
        assert times_s.tolist() == box["time"].values.tolist()
        assert brain.all()
        assert aif.shape == times_s.shape
        assert (vof, spacing_mm) == (None, (5.0, 1.0, 1.0))
        assert isinstance(rng, np.random.Generator)
        assert others == {"extra": [1]}
        frames += by
        return frames

    shifted = ctpbench.denoise(box, shift, by=3, extra=[1])
    np.testing.assert_array_equal(shifted, box + np.float32(3))
    xr.testing.assert_identical(box, before)
    assert shifted.attrs["method"] == "shift(by=3, extra=[1])"


def test_a_component_of_one_s_own_needs_no_plugin(box):
    class Half(ctpbench.FrameDenoiser):
        name, version = "half", "1"
        share: float = 0.5

        def denoise(self, frames, context):
            return frames.copy(data=np.float32(self.share) * frames.values)

    np.testing.assert_array_equal(ctpbench.denoise(box, Half), box / 2)
    np.testing.assert_array_equal(ctpbench.denoise(box, Half(share=0.25)), box / 4)
    np.testing.assert_array_equal(ctpbench.denoise(box, Half, share=0.25), box / 4)


def test_progress_goes_up_to_one(frames):
    told = []
    ctpbench.denoise(frames, "leave", progress=lambda fraction, text: told.append(fraction), **PLACE)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_nothing_is_printed_where_nobody_looks(box, capfd):
    ctpbench.denoise(box, "leave")
    assert capfd.readouterr() == ("", "")


def _with_nan(box):
    return box.where(box["time"] > 0)


WRONG_FRAMES = {
    "frames: got shape (4, 5); allowed: 4 axes": lambda box: box.values[0, 0],
    "frames: got dims ('t', 'z', 'y', 'x'); allowed": lambda box: box.rename(time="t"),
    "frames: got dtype complex64; allowed: numbers": lambda box: box.astype(np.complex64),
    "frames: got dtype bool; allowed: numbers": lambda box: box > 0,
    "frames: got 40 values that are NaN or infinite": _with_nan,
    "frames: got shape (2, 2, 4, 5); allowed: 3 frames or more": lambda box: box[:2],
    "frames: are no array": lambda box: [[1, 2], [3]],
    "frames: got a Dataset": lambda box: box.to_dataset(name="frames"),
    "spacing_mm: missing": lambda box: box.drop_attrs(),
    "times: missing": lambda box: box.drop_vars("time"),
    "times: got int64 in 'ms'": lambda box: box.assign_coords(time=("time", np.arange(12), {"units": "ms"})),
    "frames: times: got 12 frames, or times that do not increase": lambda box: box.assign_coords(time=np.zeros(12)),
    "frames: got no slice with brain inside bone; allowed: a scan of the head, in HU; or give brain and aif": (
        lambda box: box.drop_vars("brain")
    ),
}


@pytest.mark.parametrize("message", WRONG_FRAMES)
def test_wrong_frames_are_told_in_one_line(box, message):
    with pytest.raises(CtpbenchError) as raised:
        ctpbench.denoise(WRONG_FRAMES[message](box), "leave")
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


WRONG_CALLS = {
    "no denoiser 'shrnk' (did you mean shrink?)": {"method": "shrnk"},
    "shrink: 'shrink' has no parameter 'wait'; it takes weight": {"method": "shrink", "wait": 1},
    "shrink: weight: got 2; allowed: 1 or less": {"method": "shrink", "weight": 2},
    "shrink: weight: got object; allowed: text, numbers": {"method": "shrink", "weight": object()},
    "method: missing": {},
    "method: got 3; allowed: the name of a denoiser": {"method": 3},
    "learn-clean: learns from noiseless frames, which a recorded scan does not have; give model": {
        "method": "learn-clean"
    },
    "noiseless: is a control of simulations": {"method": "noiseless"},
    "unfold: deconvolves and has no denoised frames; use perfusion_maps": {"method": Unfold()},
    "Leave: got wait_s beside a component that is made": {"method": Leave(), "wait_s": 1},
    "'scale' has no parameter 'facto'; it takes factor (did you mean factor?)": {"method": scale, "facto": 1},
    "'lambda' needs 'width'; give it as a keyword": {"method": lambda frames, width: frames},
    "lambda: takes no frames": {"method": lambda: 0},
    "lambda: ZeroDivisionError: division by zero": {"method": lambda frames: 1 / 0},
    "function: returned shape (11, 2, 4, 5); allowed: numbers of the shape": {"method": lambda frames: frames[1:]},
    "function: returned None": {"method": lambda frames: None},
    "function: returned <U1 of shape ()": {"method": lambda frames: "x"},
    "function: denoise: got 480 values that are NaN": {"method": lambda frames: frames * np.nan},
    "misbehave: denoise: got dtype float64": {"method": "misbehave", "how": "float64"},
    "/nowhere: no model": {"model": "/nowhere"},
    "model: has the parameters of its training": {"model": "/nowhere", "weight": 1},
    "device: got 'gpu'; allowed: auto, cpu, cuda, mps": {"method": "leave", "device": "gpu"},
    "seed: got -1; allowed": {"method": "leave", "seed": -1},
    "spacing_mm: got (1, 2); allowed: 3 numbers above 0": {"method": "leave", "spacing_mm": (1, 2)},
    "times: got shape (3,); allowed: (12,)": {"method": "leave", "times_s": [0, 1, 2]},
    "times: got frame_interval_s and times_s": {"method": "leave", "times_s": [0], "frame_interval_s": 1},
    "frame_interval_s: got 0; allowed": {"method": "leave", "frame_interval_s": 0},
    "brain: got float64 of shape (2, 4, 5); allowed: bool": {"method": "leave", "brain": np.ones((2, 4, 5))},
    "brain: got an empty mask": {"method": "leave", "brain": np.zeros((2, 4, 5), bool)},
    "aif: got float64 of shape (3,); allowed: (12,) finite numbers": {"method": "leave", "aif": [0.0, 1.0, 2.0]},
    "aif: got no positive value": {"method": "leave", "aif": np.zeros(12)},
}


@pytest.mark.parametrize("message", WRONG_CALLS)
def test_a_wrong_call_is_told_in_one_line(box, message):
    with pytest.raises(CtpbenchError) as raised:
        ctpbench.denoise(box, **WRONG_CALLS[message])
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_the_exception_of_a_method_is_kept_as_the_cause(box):
    with pytest.raises(PluginError, match="lambda: ZeroDivisionError") as raised:
        ctpbench.denoise(box, lambda frames: 1 / 0)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"lambda_re": 1}, "perfusion_maps: maps: unknown key 'lambda_re' (did you mean lambda_rel?)"),
        ({"scaling": "truth"}, "perfusion_maps: maps.scaling: got 'truth'; allowed: 'none' or 'white_matter'"),
        ({"deconvolution": "svd"}, "perfusion_maps: maps.deconvolution: got 'svd'; allowed: 'tikhonov'"),
    ],
)
def test_wrong_maps_are_told_as_in_a_suite(box, maps, message):
    with pytest.raises(InputError) as raised:
        ctpbench.perfusion_maps(box, **maps)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)
