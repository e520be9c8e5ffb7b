"""Small synthetic cases to test with: a head of few pixels with an artery, a lesion and known maps.

Everything is computed from the arguments alone, the same at every call, and every array is read-only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TypedDict, Unpack, overload

import numpy as np
import xarray as xr

from ctpbench.arrays import AIR_HU, Float64, Index
from ctpbench.contract.case import MAP_DIMS, MAPS, Case, ScoredCase, TrainingCase, Truth, regions
from ctpbench.contract.observation import FRAME_DIMS, Observation

CLASSES = ("background", "bone", "white", "gray", "penumbra", "core", "artery")
_BONE, _WHITE, _GRAY, _PENUMBRA, _CORE, _ARTERY = range(1, 7)
_HU = np.array([AIR_HU, 900.0, 29.0, 35.0, 35.0, 35.0, 40.0])
_CBF = np.array([0.0, 0.0, 25.0, 53.0, 16.0, 5.3, 0.0])  # mL/100 g/min
_MTT_S = np.array([0.0, 0.0, 4.56, 3.74, 11.25, 8.04, 0.0])
_DELAY_S = np.array([0.0, 0.0, 1.0, 1.0, 8.0, 9.0, 0.0])

SCAN_S = 46.0
EXAMPLE_FRAMES = 24
_FINE_DT_S = 0.1


class Shape(TypedDict, total=False):
    """The options of `example_case`."""

    slices: int
    rows: int
    columns: int
    frames: int
    irregular: bool
    vof: bool
    noise_hu: float
    seed: int


def example_case(
    *,
    slices: int = 2,
    rows: int = 16,
    columns: int = 20,
    frames: int = EXAMPLE_FRAMES,
    irregular: bool = False,
    vof: bool = True,
    noise_hu: float = 7.0,
    seed: int = 0,
) -> Case:
    """Return a head of a few pixels with its truth.

    A skull with gray and white matter, penumbra and core on one side, and an artery that follows the AIF
    (peak 300 HU). Whatever the number of frames, the scan takes 46 s. Its scanner does not blur: what it resolves of
    the true maps is the true maps.

    Parameters
    ----------
    slices, rows, columns : int
        Size along z, y and x; `rows` and `columns` at least 8.
    frames : int
        At least 3.
    irregular : bool
        Whether frame times are uneven, as a shuttling scanner's are.
    vof : bool
        Whether the venous curve is known.
    noise_hu : float
        Standard deviation of the noise, independent in each voxel.
    seed : int
        Decides noise and uneven times.

    Examples
    --------
    >>> case = example_case(frames=12, rows=10, columns=10)
    >>> case.id, case.observation.frames.shape, case.truth.maps["map"].values.tolist()
    ('example-0', (12, 2, 10, 10), ['cbf', 'cbv', 'mtt', 'ttp', 'tmax'])
    """
    rng = np.random.default_rng(seed)
    labels = _anatomy(slices, rows, columns)
    times_s = np.linspace(0.0, SCAN_S, frames)
    if irregular:
        times_s[1:-1] += rng.uniform(-0.35, 0.35, frames - 2) * times_s[1]
    fine_s, curves = _curves()
    sampled = np.array([np.interp(times_s, fine_s, curve) for curve in curves])
    clean = _HU[labels] + np.moveaxis(sampled[labels], -1, 0)
    observation = Observation.of(
        (clean + noise_hu * rng.standard_normal(clean.shape)).astype(np.float32),
        times_s=times_s,
        spacing_mm=(5.0, 1.0, 1.0),
        brain=labels >= _WHITE,
        vessels=labels == _ARTERY,
        aif=sampled[_ARTERY],
        vof=1.2 * np.interp(times_s - 6.0, fine_s, curves[_ARTERY]) if vof else None,
    )
    read_only(observation.frames)
    return Case(f"example-{seed}", observation, _truth(clean, labels, fine_s[np.argmax(curves, axis=1)], observation))


def example_observation(**shape: Unpack[Shape]) -> Observation:
    """Return the observation of `example_case`, which takes the same options."""
    return example_case(**shape).observation


def example_concentration(**shape: Unpack[Shape]) -> xr.DataArray:
    """Return what a `Deconvolver` is given of `example_case`: (time, z, y, x), float32, HU above baseline."""
    return _above_baseline(example_case(**shape).observation.frames)


def example_scored_case(*, error: float = 0.0, unknown: Collection[str] = (), **shape: Unpack[Shape]) -> ScoredCase:
    """Return `example_case` with an answer of known quality, as a metric is given it.

    With `error` 0 the answer's maps equal noiseless and true maps, and its concentration the noiseless one.
    Otherwise every map is too high, by noise of mean and standard deviation `error` times the map's mean;
    likewise the concentration. Maps named in `unknown` are NaN everywhere in the truth, resolved or not. The
    regions of interest are core and white matter.

    Examples
    --------
    >>> case = example_scored_case(error=0.1)
    >>> bool(abs(case.maps - case.noiseless).max() > 0), case.rois["roi"].values.tolist()
    (True, ['core', 'white_matter'])
    """
    case = example_case(**shape)
    truth = case.truth or Truth()
    maps, frames, labels = truth.maps, truth.frames, truth.labels
    assert maps is not None  # example_case knows all three
    assert frames is not None
    assert labels is not None
    rois = read_only(regions(core=labels.values == _CORE, white_matter=labels.values == _WHITE))
    noiseless, concentration = read_only(maps.fillna(0.0)), _above_baseline(frames)
    known = read_only(maps.where(~maps["map"].isin(list(unknown))))
    truth = replace(truth, maps=known, resolved=known)
    rng = np.random.default_rng(1)
    answers = []
    for ideal, axes in ((noiseless, (1, 2, 3)), (concentration, None)):
        scale = error * np.abs(ideal.values).mean(axis=axes, keepdims=True)
        noise = scale * (1.0 + rng.standard_normal(ideal.shape))
        answers.append(read_only(ideal.copy(data=(ideal.values + noise).astype(np.float32))))
    return ScoredCase(case.id, case.observation, answers[0], noiseless, truth, answers[1], concentration, rois)


class ExampleTraining(Sequence[TrainingCase]):
    """A training split: `example_case` with seeds 0, 1, 2, ...; as in the harness, a sequence but no list.

    Parameters
    ----------
    clean : bool
        Whether it shows the clean frames, as it does to a method that learns from them.
    cases : int
        How many there are.
    frames : int
        Of each case; at least 3.

    Examples
    --------
    >>> training = ExampleTraining(clean=True, cases=2)
    >>> [case.id for case in training], training[0].clean.shape
    (['example-0', 'example-1'], (24, 2, 16, 20))
    """

    def __init__(self, *, clean: bool, cases: int = 3, frames: int = EXAMPLE_FRAMES) -> None:
        examples = [example_case(seed=seed, frames=frames) for seed in range(cases)]
        self.cases = tuple(
            TrainingCase(e.id, e.observation, e.truth.frames if clean and e.truth else None) for e in examples
        )

    def __len__(self) -> int:
        return len(self.cases)

    @overload
    def __getitem__(self, index: int) -> TrainingCase: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TrainingCase]: ...
    def __getitem__(self, index: int | slice) -> TrainingCase | Sequence[TrainingCase]:
        return self.cases[index]


def read_only(array: xr.DataArray) -> xr.DataArray:
    """Forbid writing to an array and its coordinates, in place, and return it."""
    for part in (array, *array.coords.values()):
        part.values.setflags(write=False)
    return array


def _anatomy(slices: int, rows: int, columns: int) -> Index:
    """Return class numbers, (z, y, x): ellipses in the plane, a little smaller from slice to slice."""
    z, y, x = np.meshgrid(np.arange(slices), np.arange(rows), np.arange(columns), indexing="ij")
    half = 0.42 * (1.0 - 0.1 * z / slices)
    v, u = (y - (rows - 1) / 2) / (half * rows), (x - (columns - 1) / 2) / (half * columns)
    radius, from_lesion = np.hypot(u, v), np.hypot(u + 0.5, v)
    inside = [from_lesion < 0.3, from_lesion < 0.45, radius < 0.6, radius < 1.0, radius < 1.25]
    labels = np.select(inside, [_CORE, _PENUMBRA, _WHITE, _GRAY, _BONE], 0)
    for section, distance in zip(labels, np.hypot(u - 0.3, v + 0.4), strict=True):
        section[np.unravel_index(np.argmin(distance), distance.shape)] = _ARTERY
    return labels.astype(np.intp)


def _curves() -> tuple[Float64, Float64]:
    """Return fine times, (time), s, and each class's curve, (class, time), HU: CBF/6000 AIF * R, delayed.

    The AIF is a gamma variate from 6 s with its peak at 14 s; R is 1 up to MTT and then 0.
    """
    fine_s = np.arange(0.0, SCAN_S + _FINE_DT_S / 2, _FINE_DT_S)
    rise = np.clip(fine_s - 6.0, 0.0, None) / 8.0
    aif = 300.0 * rise**3 * np.exp(3.0 * (1.0 - rise))
    area = np.concatenate([[0.0], np.cumsum(aif)]) * _FINE_DT_S
    edges_s = np.arange(area.size) * _FINE_DT_S
    curves = []
    for cbf, mtt_s, delay_s in zip(_CBF, _MTT_S, _DELAY_S, strict=True):
        arrived, left = (np.interp(fine_s - delay_s - shift_s, edges_s, area) for shift_s in (0.0, mtt_s))
        curves.append(cbf / 6000.0 * (arrived - left))
    curves[_ARTERY] = aif
    return fine_s, np.array(curves)


def _truth(clean: Float64, labels: Index, ttp_s: Float64, observation: Observation) -> Truth:
    """Return noiseless frames, maps (NaN outside tissue) and labels, on the observation's coordinates."""
    axes = {dim: observation.frames[dim] for dim in FRAME_DIMS}
    plane = {dim: axes[dim] for dim in FRAME_DIMS[1:]}
    by_class = np.array([_CBF, _CBF * _MTT_S / 60.0, _MTT_S, ttp_s, _DELAY_S], dtype=np.float32)
    values = np.where((labels >= _WHITE) & (labels < _ARTERY), by_class[:, labels], np.float32(np.nan))
    maps = read_only(xr.DataArray(values, dims=MAP_DIMS, coords={"map": list(MAPS), **plane}))
    flags = {"flag_values": list(range(len(CLASSES))), "flag_meanings": " ".join(CLASSES)}
    return Truth(
        maps=maps,
        resolved=maps,
        frames=read_only(xr.DataArray(clean.astype(np.float32), dims=FRAME_DIMS, coords=axes)),
        labels=read_only(xr.DataArray(labels.astype(np.int8), dims=FRAME_DIMS[1:], coords=plane, attrs=flags)),
    )


def _above_baseline(frames: xr.DataArray) -> xr.DataArray:
    return read_only(frames.copy(data=frames.values - frames.values[:2].mean(axis=0)))
