"""A scan in memory, inspected, and worked on by a method in this very process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ctpbench.calls.frames import Given
from ctpbench.calls.methods import label_of
from ctpbench.contract.components import Context, Denoiser, Trainable
from ctpbench.device import resolve
from ctpbench.errors import CtpbenchError, InputError, PluginError
from ctpbench.running.executors.protocol import Limits
from ctpbench.scans.arrays import inspected
from ctpbench.scans.inspection import Inspection, Progress
from ctpbench.scans.processing import process
from ctpbench.scans.training import ScanTraining
from ctpbench.settings import MapsSettings, Resources
from ctpbench.text import one_line

_DEVICES = ("auto", "cpu", "cuda", "mps")
_INSPECTED = 0.2  # share of the progress


def inspected_scan(scan: Given, tell: Progress) -> Inspection:
    """Return a scan as it was given or found: masks, AIF and VOF, with what the inspection warns of."""
    return inspected(
        scan.series,
        brain=scan.brain,
        vessels=scan.vessels,
        aif=scan.aif,
        vof=scan.vof,
        aif_at=scan.aif_at,
        progress=lambda fraction, text: tell(_INSPECTED * fraction, text),
    )


def processed(
    inspection: Inspection,
    denoiser: Denoiser,
    fitted: Denoiser | None,
    settings: MapsSettings,
    seed: int,
    device: str,
    tell: Progress,
) -> dict[str, Any]:
    """Denoise and map a scan, which then holds what comes of it, and return what was done."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed: got {seed!r}; allowed: a whole number, 0 or more")
    if device not in _DEVICES:
        raise InputError(f"device: got {device!r}; allowed: {', '.join(_DEVICES)}")
    limits = Limits.of(Resources(), resolve(device), 1)
    learns = fitted is None and isinstance(denoiser, Trainable)

    def later(fraction: float, text: str) -> None:
        tell(_INSPECTED + (1 - _INSPECTED) * fraction, text)

    with _context(limits, seed, later) as context, _named(denoiser):
        ready = fitted or denoiser
        if learns and isinstance(denoiser, Trainable):
            ready = denoiser.fit(ScanTraining(inspection, denoiser), context)
        process(inspection, ready, settings, context, context.scratch)
    about = {
        "method": label_of(denoiser),
        "version": type(denoiser).version,
        "trained_on": "the scan itself" if learns else "a model" if fitted else "",
        "seed": seed,
        "device": limits.device,
        "remarks": list(inspection.warnings),
    }
    return {key: value for key, value in about.items() if value != ""}


@contextmanager
def _context(limits: Limits, seed: int, progress: Progress) -> Iterator[Context]:
    """Provide what a method works with, in folders that are gone afterwards."""
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as checkpoints:
        rng = np.random.default_rng([seed])
        yield Context(limits.device, limits.threads, rng, Path(scratch), Path(checkpoints), progress)


@contextmanager
def _named(denoiser: Denoiser) -> Iterator[None]:
    """Say in one line which method an exception comes from."""
    try:
        yield
    except CtpbenchError:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
        raise PluginError(f"{label_of(denoiser)}: {text}") from error
