"""Arteries and veins as connected groups of voxels, told apart by their order: artery, tissue, vein."""

from __future__ import annotations

import numpy as np

from ctpbench.arrays import Index
from ctpbench.perfusion.bolus import half_maxima, likeness, rises
from ctpbench.perfusion.purity import without_vein
from ctpbench.perfusion.vessels import Match, Scan, components, highest, matched

_ALIKE, _APART_S = 0.25, 1.5  # merit and arrival of the components taken beside the best
_ENOUGH = 300.0  # signal over noise of the mean of an artery's voxels
_VEIN_VOXELS, _ARTERY_VOXELS = 10, 10
_LIKE = 0.8  # correlation of a vessel's curve with the brain's mean, shifted
_SURE = 25.0  # signal over noise of the components of one time, so that it is no chance
_LATER_S = 2.0  # than the first arteries: no longer one
_LITTLE, _AHEAD_OF_VEIN_S = 40.0, 2.0  # signal over noise, and lead, of arteries of which no weaker ones are looked for
_WEAK_OVER_TISSUE, _WEAK_OVER_NOISE = 1.2, 4.5  # may be low where an artery is ahead of tissue
_WEAK_SMOOTHING_MM, _WEAK_AHEAD_S = 1.0, 1.5  # of tissue, and of the highest vessel


def by_components(scan: Scan) -> tuple[Index, Index]:
    """Return the voxels of arteries and of a vein: indices into the scan's voxels, empty where there are none.

    Arteries are many times higher than tissue, and no later. Where these are few, or hardly earlier than the scan's
    highest vessel, a vein as a rule, weaker ones are looked for: those that fit its curve some seconds earlier, and
    earlier than tissue does. They are taken where they show a bolus. The vein is at the back, if it can be: the highest
    vessel, where it is later than the artery, or what is later than tissue.
    """
    match = matched(scan, scan.mean)
    early = match.vessel & scan.inner & (match.shift_s <= 0)
    highest_vessel = _highest_like(scan, components(scan, match.vessel), match)
    artery = _best(scan, _arterial(scan, components(scan, early)), match, highest_vessel)
    if highest_vessel.size and _leaves_doubt(scan, artery, highest_vessel, match):
        closer = matched(scan, scan.smoothed(highest_vessel), _WEAK_OVER_TISSUE, _WEAK_OVER_NOISE, _WEAK_SMOOTHING_MM)
        first_s = min(closer.tissue_s, 0.0)  # 0 is the vessel itself, which tissue may be later than
        ahead = closer.vessel & scan.inner & (closer.shift_s <= first_s - _WEAK_AHEAD_S)
        weak = _best(scan, _arterial(scan, components(scan, ahead)), closer, highest_vessel)
        artery = weak if weak.size and rises(scan.smoothing, scan.mean_of(weak)) else artery
    vein = _highest_like(scan, components(scan, match.vessel & scan.posterior & (match.shift_s > 0)), match)
    if artery.size and highest_vessel.size and (not vein.size or scan.posterior[highest_vessel].all()):
        vein = highest_vessel if _lead_s(scan, artery, highest_vessel) >= _AHEAD_OF_VEIN_S else vein
    return artery, vein


def _arterial(scan: Scan, parts: list[Index]) -> list[Index]:
    """Return the components whose curve has a bolus's shape, rises before tissue's and peaks no later."""
    rise, _ = half_maxima(scan.mean)
    kept = []
    for part in parts:
        curve = scan.smoothed(part)
        early = half_maxima(curve)[0] < rise and curve.argmax() <= scan.mean.argmax()
        if early and likeness(curve, scan.mean, scan.dt_s) >= _LIKE:
            kept.append(part)
    return kept


def _best(scan: Scan, arteries: list[Index], match: Match, vein: Index) -> Index:
    """Return the best voxels of the best components, without those in which a vein is mixed."""
    if not arteries:
        return np.empty(0, np.intp)
    height = match.height
    maxima = np.array([half_maxima(scan.smoothed(part)) for part in arteries]) * scan.dt_s
    arrival_s, width_s = maxima[:, 0], np.maximum(maxima[:, 1] - maxima[:, 0], scan.dt_s)
    # Signal over noise of the component's mean, which holds height and size, halved by 2.8 s of delay.
    signal = np.array([height[part].sum() / np.sqrt(part.size) for part in arteries])
    merit = signal * np.exp(-arrival_s / 4) / width_s
    near = np.abs(np.subtract.outer(arrival_s, arrival_s)) <= _APART_S
    together = np.sqrt(near @ signal**2)
    sure = together >= min(_SURE * match.noise, float(together.max()))
    merit[arrival_s > arrival_s[sure].min() + _LATER_S] = 0
    best = int(merit.argmax())
    alike = (merit >= _ALIKE * merit[best]) & (np.abs(arrival_s - arrival_s[best]) <= _APART_S)
    alike_voxels = np.concatenate([part for part, like in zip(arteries, alike, strict=True) if like])
    pool = without_vein(scan, highest(alike_voxels, height), vein)
    # The mean of the n highest voxels has the signal over noise sum / sqrt(n); more voxels than needed only add tissue.
    clear = np.cumsum(height[pool]) / np.sqrt(1 + np.arange(pool.size))
    count = 1 + int(np.argmax(clear >= min(_ENOUGH * match.noise, clear.max())))
    return pool[: max(count, _ARTERY_VOXELS)]


def _highest_like(scan: Scan, parts: list[Index], match: Match) -> Index:
    """Return the highest voxels of the highest component whose curve has a bolus's shape."""
    tops = [highest(part, match.height)[:_VEIN_VOXELS] for part in parts]
    like = [top for top in tops if likeness(scan.smoothed(top), scan.mean, scan.dt_s) >= _LIKE]
    return max(like, key=lambda top: float(match.height[top].mean()), default=np.empty(0, np.intp))


def _leaves_doubt(scan: Scan, artery: Index, vessel: Index, match: Match) -> bool:
    if not artery.size or match.height[artery].sum() / np.sqrt(artery.size) < _LITTLE * match.noise:
        return True
    return _lead_s(scan, artery, vessel) < _AHEAD_OF_VEIN_S


def _lead_s(scan: Scan, artery: Index, vessel: Index) -> float:
    return (half_maxima(scan.smoothed(vessel))[0] - half_maxima(scan.smoothed(artery))[0]) * scan.dt_s
