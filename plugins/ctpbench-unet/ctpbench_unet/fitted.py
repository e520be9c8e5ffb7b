"""A trained network as a denoiser, and as files: safetensors and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import xarray as xr
from pydantic import BaseModel, PrivateAttr
from safetensors.torch import load_file, save_file
from torch import nn

from ctpbench import ConcentrationDenoiser, Context, FrameDenoiser
from ctpbench_unet.fine_tuning import FineTuning
from ctpbench_unet.frames import EARLY
from ctpbench_unet.inference import concentration_of
from ctpbench_unet.network import Architecture, FramewiseArchitecture, SubspaceArchitecture
from ctpbench_unet.runtime import dtype_of, threads
from ctpbench_unet.slices import plain, slices_of
from ctpbench_unet.subspace import subspace_slices
from ctpbench_unet.subspace_inference import denoise_slices
from ctpbench_unet.unet import ready


class Fitted(BaseModel):
    """Base of the trained networks: how one is kept in files."""

    kind: ClassVar[type[Architecture]]
    """What makes its network again."""

    architecture: dict[str, Any]
    curve: dict[str, list[float]]
    _network: nn.Module = PrivateAttr()

    @classmethod
    def of(cls, network: nn.Module, architecture: Architecture, curve: dict[str, list[float]], **more: Any) -> Self:
        fitted = cls(architecture=asdict(architecture), curve=curve, **more)
        fitted._network = network.eval().to("cpu", memory_format=torch.channels_last)
        return fitted

    def write(self, folder: Path) -> None:
        """Write the weights as safetensors, everything else as JSON."""
        weights = {name: weight.contiguous() for name, weight in self._network.state_dict().items()}
        save_file(weights, folder / "network.safetensors")
        about = {"torch": torch.__version__, **self.model_dump()}
        (folder / "network.json").write_text(json.dumps(about, indent=1, allow_nan=False))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what `write` wrote."""
        about = json.loads((folder / "network.json").read_text())
        known = {name: value for name, value in about.items() if name != "torch"}
        architecture = cls.kind(**known.pop("architecture"))
        network = architecture.network()
        network.load_state_dict(load_file(folder / "network.safetensors"))
        return cls.of(network, architecture, **known)


class FittedFramewise(Fitted, ConcentrationDenoiser):
    """A trained network: the mean of its answers with either early frame (eq. 8); other pixels pass unfiltered."""

    name, version = "unet", "2"
    kind = FramewiseArchitecture

    def concentration(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return the concentration, (time, z, y, x), float32, HU above baseline."""
        architecture = FramewiseArchitecture(**self.architecture)
        answer = frames.values - frames.values[list(EARLY)].mean(axis=0)
        slices = slices_of(frames, multiple=architecture.multiple)
        for done, part in enumerate(slices):
            context.progress(done / len(slices), f"slice {done + 1} of {len(slices)}")
            denoised = concentration_of(self._network, part.frames, architecture, context.device, context.threads)
            part.put(denoised, answer)
        return frames.copy(data=answer)


class FittedSubspace(Fitted, FrameDenoiser):
    """A trained network on the temporal coefficients of a scan; pixels outside the tissue pass unfiltered.

    With `fine_tuning` a copy of the network first learns on from the scan.
    """

    name, version = "subspace_unet", "2"
    kind = SubspaceArchitecture

    mirrors: int = 4
    fine_tuning: dict[str, Any] | None = None
    _in_use: dict[tuple[str, torch.dtype], nn.Module] = PrivateAttr(default_factory=dict)

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return filtered frames, (time, z, y, x), float32, HU."""
        architecture = SubspaceArchitecture(**self.architecture)
        tuning = None if self.fine_tuning is None else FineTuning(**self.fine_tuning)
        least_px = 1 if tuning is None else tuning.patch_px or 1
        device = context.device
        with threads(context.threads):
            slices = subspace_slices(
                frames, architecture.rank, multiple=architecture.multiple, least_px=least_px, device=device
            )
            network = self._ready(device, dtype_of(device, architecture.precision))
            if tuning is not None and slices:
                tuned = tuning.tuned(self._network, slices, context)
                network = ready(tuned, device, dtype_of(device, architecture.precision))
            noisy, answer = plain(frames), np.empty_like(frames.values)
            for done in denoise_slices(network, slices, architecture, self.mirrors, device, noisy, answer):
                context.progress(done / len(slices), f"slice {done} of {len(slices)}")
        return frames.copy(deep=False, data=answer)

    def _ready(self, device: str, dtype: torch.dtype) -> nn.Module:
        """Return the network for use, made once: no call waits for its weights again."""
        if (device, dtype) not in self._in_use:
            self._in_use[device, dtype] = ready(self._network, device, dtype)
        return self._in_use[device, dtype]
