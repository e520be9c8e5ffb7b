"""Networks that denoise CT perfusion, for ctpbench: frame by frame, or on temporal coefficients."""

from __future__ import annotations

from ctpbench import hookimpl
from ctpbench_unet.deep_image_prior import DeepImagePrior
from ctpbench_unet.neighbor2neighbor import Neighbor2Neighbor
from ctpbench_unet.noise2noise import Noise2Noise
from ctpbench_unet.noise2sim import Noise2Sim
from ctpbench_unet.noise2void import Noise2Void
from ctpbench_unet.subspace_n2n import SubspaceNoise2Noise
from ctpbench_unet.subspace_supervised import SubspaceSupervised
from ctpbench_unet.supervised import Supervised


@hookimpl
def ctpbench_denoisers():
    """Return the denoiser classes of this package."""
    return [
        Noise2Noise,
        Supervised,
        Neighbor2Neighbor,
        Noise2Void,
        Noise2Sim,
        SubspaceNoise2Noise,
        SubspaceSupervised,
        DeepImagePrior,
    ]
