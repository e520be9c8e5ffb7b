"""The networks beside plain torch: float32, eager, contiguous images, one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ctpbench import Context
from ctpbench_filters import LowrankNl
from ctpbench_phantom.phantom import Phantom
from ctpbench_unet import Noise2Noise, SubspaceNoise2Noise
from ctpbench_unet.fitted import FittedFramewise, FittedSubspace
from ctpbench_unet.inference import concentration_of
from ctpbench_unet.network import Network
from ctpbench_unet.objectives import drawn
from ctpbench_unet.pairs import Example
from ctpbench_unet.runtime import threads
from ctpbench_unet.slices import slices_of
from ctpbench_unet.targets import from_adjacent_frames
from ctpbench_unet.training import train

from .contest import Agreement, Peer, within

METHOD = Noise2Noise(
    width=16,
    depth=4,
    inputs="frames",
    residual=False,
    batch=16,
    patch_px=64,
    steps=4,
    learning_rate=3e-3,
    warmup=0,
    schedule="constant",
    clip=None,
    precision="float32",
)
INPUT_HU, CONCENTRATION_HU = 150, 25
SIGMA_PX, REACH_PX = 6, 30
KERNEL = torch.softmax(-(torch.arange(-REACH_PX, REACH_PX + 1) ** 2) / (2 * SIGMA_PX**2), dim=0)


class Trained(NamedTuple):
    """The loss of every step, and all gradients of the last one."""

    losses: list[float]
    gradients: Tensor


def trained(losses: list[float], network: Network) -> Trained:
    return Trained(losses, torch.cat([weights.grad.flatten() for weights in network.parameters()]))


def plain(network: Network, images: Tensor) -> Tensor:
    """Return the network's answer to images as they come, contiguous."""
    return network.unet(images / INPUT_HU - 1) * CONCENTRATION_HU


def blurred(images: Tensor) -> Tensor:
    """Convolve with a Gaussian, one direction after the other; beyond the border there is nothing."""
    rows = conv2d(images, KERNEL.view(1, 1, -1, 1), padding=(REACH_PX, 0))
    return conv2d(rows, KERNEL.view(1, 1, 1, -1), padding=(0, REACH_PX))


def masked_mean_square(difference: Tensor, mask: Tensor) -> Tensor:
    return (mask * difference**2).sum() / mask.sum()


def plain_steps(network: Network, draw: Callable[[], Example]) -> list[float]:
    """Train as a tutorial would and return the loss of every step."""
    optimizer = torch.optim.Adam(network.parameters(), lr=METHOD.learning_rate, foreach=False)
    losses, inside = [], blurred(torch.ones(1, 1, METHOD.patch_px, METHOD.patch_px))
    for _ in range(METHOD.steps):
        batch = draw()
        answer = plain(network, batch.images)
        fit = masked_mean_square((answer - batch.target) / CONCENTRATION_HU, batch.mask)
        low = blurred(batch.mask * (answer - batch.noisy) / CONCENTRATION_HU)
        bias = masked_mean_square(low / inside, batch.mask)
        loss = fit + METHOD.beta * bias
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def distance(ours: Trained, theirs: Trained) -> float:
    """Of the losses and of the gradients, relative; the larger one."""
    losses = np.abs(np.subtract(ours.losses, theirs.losses)).max() / max(theirs.losses)
    gradients = (ours.gradients - theirs.gradients).norm() / theirs.gradients.norm()
    return max(float(losses), float(gradients))


@pytest.mark.parametrize("who", ["ours", "plain torch"])
def test_training_step(contest, scan, context: Context, who):
    slices = slices_of(scan(256).frames, multiple=METHOD.multiple, least_px=METHOD.patch_px)
    network, plain_network = (METHOD.architecture().network(seed=1) for _ in range(2))
    begin = {name: weights.clone() for name, weights in network.state_dict().items()}
    objective = METHOD.objective(slices)
    maker = from_adjacent_frames(slices, ratio=True, neighbours=0)

    def ours() -> Trained:
        network.load_state_dict(begin)
        curve = train(network, objective, METHOD.recipe(1), np.random.default_rng(0), context)
        return trained(curve["loss"], network)

    def theirs() -> Trained:
        plain_network.load_state_dict(begin)
        rng = np.random.default_rng(0)
        with threads(context.threads):
            losses = plain_steps(plain_network, lambda: drawn(slices, maker, METHOD.sampling(), rng))
        return trained(losses, plain_network)

    contest(
        who,
        task="unet training step",
        size="16 of 64x64",
        ours=ours,
        peers={"plain torch": Peer(theirs, Agreement(1e-3, "relative", distance))},
        images={"ours": METHOD.steps, "plain torch": METHOD.steps},
    )


def plain_concentration(network: Network, frames: Tensor) -> Tensor:
    """Eq. 8, one image after another."""
    answers = []
    with torch.no_grad():
        for frame in frames:
            both = [plain(network, torch.stack([frame, early])[None])[0, 0] for early in frames[:2]]
            answers.append((both[0] + both[1]) / 2)
    return torch.stack(answers)


def taught(network: Network) -> Network:
    """Return a network whose answer is not zero, as that of a new one is."""
    torch.nn.init.normal_(network.unet.last.weight, generator=torch.Generator().manual_seed(0))
    return network


@pytest.mark.parametrize("who", ["ours", "plain torch"])
def test_inference(contest, context: Context, request, who):
    # untimed, fewer pixels show as much
    shape = (50, 160, 192) if request.config.getoption("benchmark_enable") else (6, 32, 48)
    architecture = METHOD.architecture()
    network, plain_network = (taught(architecture.network(seed=1)) for _ in range(2))
    frames = torch.from_numpy(np.random.default_rng(0).normal(35, 7, shape).astype(np.float32))

    def theirs() -> np.ndarray:
        with threads(context.threads):
            return plain_concentration(plain_network, frames).numpy()

    contest(
        who,
        task="unet inference",
        size="x".join(map(str, (*shape[1:], shape[0]))),
        ours=lambda: concentration_of(network, frames, architecture, context.device, context.threads).numpy(),
        peers={"plain torch": Peer(theirs, within(1e-3, "HU"))},
    )


@pytest.mark.parametrize("who", ["ours", "n2n", "lowrank_nl"])
def test_series(contest, scan, context: Context, request, who):
    """A whole series by the network on coefficients, beside what a user would take else: n2n's, or no network."""
    size = 256 if request.config.getoption("benchmark_enable") else 32
    frames = scan(size).frames
    architectures = [method().architecture() for method in (SubspaceNoise2Noise, Noise2Noise)]
    coefficients, framewise = (taught(architecture.network(seed=1)) for architecture in architectures)
    ours = FittedSubspace.of(coefficients, architectures[0], {})
    n2n = FittedFramewise.of(framewise, architectures[1], {})
    contest(
        who,
        task="subspace_n2n",
        size=f"{size}x{size}x44",
        ours=lambda: ours.denoise(frames, context).values,
        peers={
            "n2n": Peer(lambda: n2n.concentration(frames, context).values),
            "lowrank_nl": Peer(lambda: LowrankNl().denoise(frames, context).values),
        },
    )


@pytest.mark.parametrize("who", ["ours", "width 12", "four mirror images", "lowrank_nl"])
def test_slice(contest, context: Context, request, who):
    """A slice of the paper's simulation by the network at its fastest, beside itself at its best and no network."""
    sizes = {} if request.config.getoption("benchmark_enable") else {"size_px": 32, "pixel_mm": 8, "views": 64}
    phantom = Phantom(detectors=48 if sizes else 384, **sizes)
    case_id = phantom.cases("validation")[0]
    frames = phantom.load(case_id, 2e5).observation.frames

    def fitted(width: int, mirrors: int) -> FittedSubspace:
        architecture = SubspaceNoise2Noise(width=width).architecture()
        return FittedSubspace.of(taught(architecture.network(seed=1)), architecture, {}, mirrors=mirrors)

    one, narrow, four = fitted(16, 1), fitted(12, 1), fitted(16, 4)
    n_frames, _, rows, columns = frames.shape
    contest(
        who,
        task="subspace_n2n, one mirror image",
        size=f"{rows}x{columns}x{n_frames}",
        ours=lambda: one.denoise(frames, context).values,
        peers={
            "width 12": Peer(lambda: narrow.denoise(frames, context).values),
            "four mirror images": Peer(lambda: four.denoise(frames, context).values),
            "lowrank_nl": Peer(lambda: LowrankNl().denoise(frames, context).values),
        },
    )
