"""What kind of denoiser each method is, as the board shows it."""

from __future__ import annotations

from ctpbench.contract.components import ConcentrationDenoiser, Deconvolver, Trainable
from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.plugins import Catalogue


def kinds_of(catalogue: Catalogue) -> dict[str, str]:
    """Return what kind of denoiser each installed one is, by the names that suites may use."""
    kinds: dict[str, str] = {}
    for name, offer in catalogue.named("denoiser").items():
        cls = offer.cls
        if offer.name in (NOISELESS, UNFILTERED):
            kind = "control"
        elif issubclass(cls, Trainable):
            kind = f"learns from {cls.learns_from} series"
        elif issubclass(cls, Deconvolver):
            kind = "deconvolution"
        else:
            kind = "concentration" if issubclass(cls, ConcentrationDenoiser) else "frames"
        kinds[name] = kinds[offer.qualified] = kind
    return kinds
