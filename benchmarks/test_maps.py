"""Baseline, deconvolution and the five maps beside straight numpy: an SVD's pseudo-inverse times all pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ctpbench import MAPS
from ctpbench.perfusion import Tikhonov, deconvolve, perfusion_maps, subtract_baseline

from .contest import Agreement, Peer
from .machine import Work
from .optional import PCT, missing, octave, optional

LAMBDA_REL = 0.3


def svd_maps(frames: np.ndarray, aif: np.ndarray, dt_s: float) -> dict[str, np.ndarray]:
    """Eqs 16-23 as they are written, A causal."""
    curves = (frames - frames[:2].mean(axis=0)).reshape(len(frames), -1)
    lags = 2 * len(frames)
    column = np.pad(dt_s * np.maximum(aif, 0), (0, len(frames)))
    u, s, vt = np.linalg.svd(np.stack([np.roll(column, lag) for lag in range(lags)], axis=1))
    inverse = vt.T @ np.diag(s / (s**2 + (LAMBDA_REL * s.max()) ** 2)) @ u.T
    residues = inverse[:, : len(frames)].astype(np.float32) @ curves
    cbf, cbv = 6000 * residues.max(axis=0), 100 * dt_s * residues.sum(axis=0)
    lag = residues.argmax(axis=0)
    flat = {
        "cbf": cbf,
        "cbv": cbv,
        "mtt": np.divide(60 * cbv, cbf, out=np.zeros_like(cbf), where=cbf > 0),
        "ttp": dt_s * curves.argmax(axis=0),
        "tmax": dt_s * np.where(lag > lags // 2, lag - lags, lag),
    }
    return {name: values.reshape(frames.shape[1:]) for name, values in flat.items()}


def distance(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """Largest error of CBF, CBV and MTT relative to the map's largest value, and share of other TTP and Tmax."""
    values = [np.abs(ours[name] - theirs[name]).max() / np.abs(theirs[name]).max() for name in MAPS[:3]]
    return max(*values, *((ours[name] != theirs[name]).mean() for name in MAPS[3:]))


def pct_residues(frames: np.ndarray, aif: np.ndarray, dt_s: float) -> Peer:
    """Deconvolution alone by the pct toolbox of Fang and others, under Octave; the first half of the lags."""
    curves = subtract_baseline(frames)[:, 0]
    octave().put(curves=curves.astype(np.float64), aif=np.maximum(aif, 0.0)[:, None])
    ours = deconvolve(curves, aif, dt_s, Tikhonov(LAMBDA_REL))[: len(frames)]

    def departure(_: object, theirs: Callable[[], np.ndarray]) -> float:
        return float(np.abs(ours - theirs()).max() / np.abs(ours).max())

    def run() -> Callable[[], np.ndarray]:
        octave().run(f"k = pct_tikh(curves, aif, {dt_s}, {LAMBDA_REL}, 2, true(size(curves)(2:3)));")
        return lambda: octave().get("k")

    return Peer(run, Agreement(1e-4, "relative", departure))


@pytest.mark.parametrize("who", ["ours", "numpy SVD", optional(PCT)])
@pytest.mark.parametrize("size", [64, 256])
def test_maps(contest, scan, size, who):
    observation = scan(size)
    frames, aif, dt_s = observation.frames.values, observation.aif, observation.dt_s
    peers = {"numpy SVD": Peer(lambda: svd_maps(frames, aif, dt_s), Agreement(1e-4, "relative", distance))}
    if not missing(PCT):
        peers[PCT] = pct_residues(frames, aif, dt_s)
    contest(
        who,
        task="maps",
        size=f"{size}x{size}x44",
        ours=lambda: perfusion_maps(subtract_baseline(frames), aif, dt_s, Tikhonov(LAMBDA_REL)),
        peers=peers,
        work=Work(4e-6 * (frames.size + len(MAPS) * size**2), 4e-9 * len(frames) ** 2 * size**2),  # r = K c
    )
