"""A trained network as a denoiser, and as files: safetensors and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
import xarray as xr
from pydantic import PrivateAttr
from safetensors.torch import load_file, save_file

from ctpbench import ConcentrationDenoiser, Context
from ctpbench_unet.frames import EARLY
from ctpbench_unet.inference import concentration_of
from ctpbench_unet.network import Architecture, Network
from ctpbench_unet.slices import slices_of


class FittedDenoiser(ConcentrationDenoiser):
    """A trained network: the mean of its answers with either early frame (eq. 8); other pixels pass unfiltered."""

    name, version = "unet", "1"

    architecture: dict[str, Any]
    curve: dict[str, list[float]]
    _network: Network = PrivateAttr()

    @classmethod
    def of(cls, network: Network, architecture: Architecture, curve: dict[str, list[float]]) -> Self:
        fitted = cls(architecture=asdict(architecture), curve=curve)
        fitted._network = network.eval().to("cpu", memory_format=torch.channels_last)
        return fitted

    def concentration(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return the concentration, (time, z, y, x), float32, HU above baseline."""
        architecture = Architecture(**self.architecture)
        answer = frames.values - frames.values[list(EARLY)].mean(axis=0)
        slices = slices_of(frames, multiple=2 ** (architecture.depth - 1))
        for done, part in enumerate(slices):
            context.progress(done / len(slices), f"slice {done + 1} of {len(slices)}")
            denoised = concentration_of(
                self._network, part.frames, architecture, context.device, context.threads
            ).numpy()
            rows, columns = (axis.stop - axis.start for axis in part.box)
            inside = part.tissue[:rows, :columns].numpy() > 0
            place = answer[:, part.z, *part.box]
            place[:, inside] = denoised[:, :rows, :columns][:, inside]
        return frames.copy(data=answer)

    def write(self, folder: Path) -> None:
        """Write the weights as safetensors, everything else as JSON."""
        weights = {name: weight.contiguous() for name, weight in self._network.state_dict().items()}
        save_file(weights, folder / "network.safetensors")
        about = {"architecture": self.architecture, "torch": torch.__version__, "curve": self.curve}
        (folder / "network.json").write_text(json.dumps(about, indent=1, allow_nan=False))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what `write` wrote."""
        about = json.loads((folder / "network.json").read_text())
        architecture = Architecture(**about["architecture"])
        network = architecture.network()
        network.load_state_dict(load_file(folder / "network.safetensors"))
        return cls.of(network, architecture, about["curve"])
