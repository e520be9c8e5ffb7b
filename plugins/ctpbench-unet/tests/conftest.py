"""The context of a component, slices to learn from, and small networks."""

import numpy as np
import pytest

from ctpbench import Context


@pytest.fixture(autouse=True)
def _one_thread():
    """Small images are not worth a second thread; whatever a test sets, the next does not notice."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def context(tmp_path):
    folders = [tmp_path / name for name in ("scratch", "checkpoints")]
    for folder in folders:
        folder.mkdir()
    return Context("cpu", 1, np.random.default_rng(0), *folders)


@pytest.fixture
def make_slice():
    """Return a function that makes a slice with a bolus and noise; its tissue is an ellipse with a hole and a pond."""
    import torch

    from ctpbench_unet.slices import Slice

    def make(shape=(14, 24, 32), *, seed=0, peak=7, noise_hu=5.0):
        rng = np.random.default_rng(seed)
        n_frames, rows, columns = shape
        y, x = np.mgrid[:rows, :columns]
        tissue = ((y / (rows - 1) - 0.5) / 0.45) ** 2 + ((x / (columns - 1) - 0.5) / 0.48) ** 2 < 1
        tissue[rows // 2, columns // 2] = False
        fluid = tissue & (abs(y - rows // 4) <= 1) & (abs(x - columns // 2) <= 2)
        bolus = 12 * np.exp(-((np.arange(n_frames) - peak) ** 2) / 8)
        clean = bolus[:, None, None] * (1 + 0.3 * np.sin(x / 5) * np.cos(y / 7))
        clean = np.where(fluid, 12.0, 35 + clean)
        frames = clean + noise_hu * rng.standard_normal(shape)
        return Slice(
            z=0,
            box=(slice(0, rows), slice(0, columns)),
            frames=torch.from_numpy((frames * tissue).astype(np.float32)),
            tissue=torch.from_numpy(tissue.astype(np.float32)),
            mean=torch.from_numpy((frames * tissue).mean(axis=0).astype(np.float32)),
            clean=torch.from_numpy((clean * tissue).astype(np.float32)),
        )

    return make


@pytest.fixture
def make_network():
    """Return a function that makes a small network which, other than a new one, does not answer with nothing."""
    import torch

    from ctpbench_unet import Noise2Noise

    def make(*, seed=1, **parameters):
        small = {"width": 4, "depth": 2, "residual": False}
        network = Noise2Noise(**small | parameters).architecture().network(seed)
        *_, last = (module for module in network.modules() if isinstance(module, torch.nn.Conv2d))
        torch.nn.init.normal_(last.weight, generator=torch.Generator().manual_seed(seed))
        return network

    return make


@pytest.fixture
def make_spy():
    """Return a function that wraps a network; ``seen`` of the result is the list of images it was given."""
    from torch import nn

    class Spy(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network, self.seen = network, []

        def forward(self, images):
            self.seen.extend(images)
            return self.network(images)

    return Spy
