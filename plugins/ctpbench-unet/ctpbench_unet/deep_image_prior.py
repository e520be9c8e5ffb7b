"""Deep image prior: a network fitted to the very scan that it denoises, and stopped before it fits the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ctpbench import Context, FrameDenoiser

if TYPE_CHECKING:
    import xarray as xr


class DeepImagePrior(FrameDenoiser):
    """A UNet that learns nothing beforehand: fitted to each slice from a random input, it meets signal before noise.

    The input are fixed random images, the target those of the slice's coefficients in the scan's own first temporal
    components, as `subspace_n2n` sees them: all frames at once. The fit is stopped after `steps`, before the network
    has learnt the noise too, and its last answers are averaged. Pixels outside the tissue pass unfiltered.

    Sources: Ulyanov, Vedaldi, Lempitsky, "Deep image prior", CVPR 2018. In perfusion and dynamic imaging: Gong et al.,
    IEEE Trans Med Imaging 38:1655, 2019; Hashimoto et al., IEEE Access 7:96594, 2019.
    """

    name, version = "deep_image_prior", "1"

    rank: Annotated[
        int, Field(ge=1, le=20, examples=[2], description="temporal components beside the mean over time")
    ] = 3
    width: Annotated[int, Field(ge=2, le=256, examples=[4], description="channels of the network's first level")] = 16
    depth: Annotated[int, Field(ge=1, le=7, examples=[2], description="levels of the network")] = 4
    input_channels: Annotated[
        int, Field(ge=1, le=256, examples=[4], description="random images that are the network's input")
    ] = 32
    steps: Annotated[
        int, Field(ge=1, le=100_000, examples=[5], description="after how many the fit stops: more keep more noise")
    ] = 350
    learning_rate: Annotated[float, Field(gt=0, le=1, description="of Adam")] = 3e-3
    clip: Annotated[float | None, Field(gt=0, description="largest norm of the gradient; null: as it comes")] = 0.3
    average: Annotated[
        float, Field(ge=0, lt=1, description="decay of the average of the answers; 0: the last answer")
    ] = 0.99
    precision: Annotated[
        Literal["auto", "float32", "bf16", "fp16"],
        Field(description="of the network's arithmetic; auto: bf16 or else fp16, where the device has it"),
    ] = "auto"

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return filtered frames, (time, z, y, x), float32, HU."""
        from ctpbench_unet.prior import PriorRecipe, fit_prior
        from ctpbench_unet.subspace import subspace_slices

        recipe = PriorRecipe(**{name: getattr(self, name) for name in PriorRecipe.__dataclass_fields__})
        answer = frames.values.copy()
        rank = min(self.rank, frames.sizes["time"] - 1)
        slices = subspace_slices(frames, rank, multiple=2 ** (self.depth - 1))
        for done, part in enumerate(slices):

            def progress(step: int, done: int = done) -> None:
                share = (done + step / self.steps) / len(slices)
                context.progress(share, f"slice {done + 1} of {len(slices)}, step {step} of {self.steps}")

            images = fit_prior(
                part.coefficients(),
                part.tissue,
                recipe,
                seed=int(context.rng.integers(2**31)),
                device=context.device,
                n_threads=context.threads,
                progress=progress,
            )
            part.put(part.series(images), answer)
        return frames.copy(data=answer)
