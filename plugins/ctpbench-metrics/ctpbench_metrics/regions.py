"""Where scores are taken: regions of a case, the same for every method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
from pydantic import Field

from ctpbench import ScoredCase, Truth, class_mask
from ctpbench.arrays import Float32, Mask

if TYPE_CHECKING:
    import xarray as xr

Region = Annotated[
    Literal["parenchyma", "tissue", "gray", "white", "penumbra", "core", "healthy", "enhancing_at_peak"],
    Field(description="which voxels count; all but tissue need the truth"),
]
REGIONS: tuple[str, ...] = get_args(get_args(Region)[0])

BASELINE_FRAMES = 2  # the paper's T0
NEAR_PEAK_FRAMES = 2
LEAST_ENHANCEMENT = 0.1  # of the tissue's median
PAPER_AFTER_PEAK_S = 6.0  # its frame 25 of 1 s, where its AIF peaks at 19 s


def region_needs(region: str) -> frozenset[str]:
    """Return the optional parts of a case that a region reads, for `Metric.needs`."""
    return frozenset() if region == "tissue" else frozenset({"truth"})


def region_mask(case: ScoredCase, region: str) -> Mask:
    """Return the voxels of a region.

    Parameters
    ----------
    case : ScoredCase
    region : str
        One of `REGIONS`. All lie within the observation's tissue, which is brain without major vessels:

        - ``parenchyma``: where there is perfusion: a true CBF above 0, so no fluid; and where it is known what the
          scanner resolves of it (`ctpbench.Truth`), nothing that it does not, as beside a vessel. Of a case whose true
          CBF is not known, where the noiseless frames enhance: within 2 frames of the tissue's peak, more than a tenth
          of the tissue's median on average.
        - ``tissue``: all of it, fluid included.
        - ``gray``, ``white``: the labels of gray and of white matter, whatever the state of their perfusion.
        - ``penumbra``, ``core``: labels of tissue of reduced and of severely reduced perfusion, without one another;
          where no label is, the truth's regions of interest of that name.
        - ``healthy``: parenchyma that is neither, where both are known.
        - ``enhancing_at_peak``: where the noiseless enhancement is above 0 in the frame nearest to 6 s after the AIF's
          peak.

    Returns
    -------
    ndarray, (z, y, x), bool
        All False where the case has no such voxel, or does not know.

    Notes
    -----
    Classes are told by the words of their names: see `ctpbench.class_mask`. Enhancement is over the mean of the first
    2 frames. The last region is that of the notebooks of Wu, Ren and Li: frame 25 of 1 s frames with the AIF's peak at
    19 s. A reconstruction is blurred, so that fluid in furrows enhances with the tissue around it: of the simulated
    head's, nine tenths belong to that region, and four fifths would belong to ``parenchyma`` if its true CBF were not
    known.
    """
    tissue, truth = case.observation.tissue, case.truth
    if region == "tissue":
        return tissue
    nothing = np.zeros_like(tissue)
    if truth is None:
        return nothing
    if region in ("gray", "white", "penumbra", "core"):
        found = class_mask(truth, region)
    elif region == "enhancing_at_peak":
        found = _enhancing_at_peak(case, truth)
    elif region == "parenchyma":
        found = _perfused(truth, tissue)
    else:
        parts = _perfused(truth, tissue), class_mask(truth, "penumbra"), class_mask(truth, "core")
        known = all(part is not None for part in parts)
        found = parts[0] & ~parts[1] & ~parts[2] if known else None
    return nothing if found is None else tissue & found


def _perfused(truth: Truth, tissue: Mask) -> Mask | None:
    cbf, resolved = _cbf(truth.maps), _cbf(truth.resolved)
    if cbf is not None:
        return np.asarray(cbf > 0) if resolved is None else np.asarray((cbf > 0) & np.isfinite(resolved))
    if truth.frames is None or not tissue.any():
        return None
    frames = truth.frames.values
    peak = int(np.argmax([frame[tissue].mean(dtype=np.float64) for frame in frames]))
    near = frames[max(peak - NEAR_PEAK_FRAMES, 0) : peak + NEAR_PEAK_FRAMES + 1].mean(axis=0)
    enhancement = near - frames[:BASELINE_FRAMES].mean(axis=0)
    return np.asarray(enhancement > max(LEAST_ENHANCEMENT * float(np.median(enhancement[tissue])), 0.0))


def _cbf(maps: xr.DataArray | None) -> Float32 | None:
    """Return the CBF, (z, y, x), of the truth's maps; None where nothing is known of it."""
    if maps is None or "cbf" not in maps["map"].values:
        return None
    cbf = maps.sel(map="cbf").values
    return cbf if np.isfinite(cbf).any() else None


def _enhancing_at_peak(case: ScoredCase, truth: Truth) -> Mask | None:
    if truth.frames is None:
        return None
    times_s, aif = case.observation.times_s, case.observation.aif
    frame = int(np.argmin(np.abs(times_s - times_s[np.argmax(aif)] - PAPER_AFTER_PEAK_S)))
    frames = truth.frames.values
    return np.asarray(frames[frame] > frames[:BASELINE_FRAMES].mean(axis=0))
