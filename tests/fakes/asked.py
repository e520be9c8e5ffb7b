"""A method that says how often its process was asked to denoise something."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr

from ctpbench import Context, FrameDenoiser, hookimpl


class Asked(FrameDenoiser):
    """Pulls every frame towards its spatial mean, and counts."""

    name, version = "asked", "1"
    weight: float = 0.5
    _asked: ClassVar[list[str]] = []

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        self._asked.append(self.name)
        mean = frames.values.mean(axis=(2, 3), keepdims=True)
        values = frames.values + self.weight * (mean - frames.values)
        return frames.copy(data=values.astype("f4")).assign_attrs(diagnostics={"asked": len(self._asked)})


@hookimpl
def ctpbench_denoisers() -> list[type[FrameDenoiser]]:
    """Return the method."""
    return [Asked]
