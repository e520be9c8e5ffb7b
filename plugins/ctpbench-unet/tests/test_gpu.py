"""On a GPU the networks train, go on from checkpoints and denoise as they do on a CPU. Where there is none: skipped."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ctpbench import run_suite
from ctpbench.testing import example_case
from ctpbench_unet import Noise2Noise, SubspaceNoise2Noise
from ctpbench_unet.fitted import FittedSubspace
from ctpbench_unet.inference import coefficients_of, concentration_of
from ctpbench_unet.non_local_mean import non_local_mean
from ctpbench_unet.objectives import Sampling, regression
from ctpbench_unet.targets import from_adjacent_frames
from ctpbench_unet.training import train
from ctpbench_unet.unet import ready

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

SMALL = {"width": 4, "depth": 2, "precision": "float32", "patch_px": 16, "batch": 4, "learning_rate": 1e-3}


@pytest.fixture(autouse=True)
def _full_precision():
    """Convolutions in float32 proper, as a CPU's: by default a GPU rounds their factors to 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def trained(denoiser, parts, context, steps):
    network = denoiser.architecture().network(seed=3)
    maker = from_adjacent_frames(parts, ratio=True, neighbours=0)
    objective = regression(parts, maker, Sampling(denoiser.batch, denoiser.patch_px, near_peak=0.5))
    recipe = replace(denoiser.recipe(1), steps=steps)
    curve = train(network, objective, recipe, np.random.default_rng(5), context)
    return network.to("cpu"), curve


@pytest.fixture
def both(context, make_slice):
    parts = [make_slice(seed=seed) for seed in range(2)]
    return [(context, parts), (replace(context, device="cuda"), [part.to("cuda") for part in parts])]


def test_a_network_learns_the_same(both):
    (_, on_cpu), (_, on_gpu) = (trained(Noise2Noise(**SMALL), parts, where, 40) for where, parts in both)
    np.testing.assert_allclose(on_gpu["loss"], on_cpu["loss"], rtol=2e-3)
    np.testing.assert_allclose(on_gpu["bias"], on_cpu["bias"], rtol=2e-2, atol=1e-5)


def test_training_goes_on_from_a_checkpoint_written_on_either(both, monkeypatch):
    monkeypatch.setattr("ctpbench_unet.training._CHECKPOINT_S", 0.0)
    for where, parts in both:  # the first leaves a checkpoint after its 10 steps, from which the second goes on
        _, curve = trained(Noise2Noise(**SMALL), parts, where, 10 if where.device == "cpu" else 30)
    assert (curve["step"][0], curve["step"][-1]) == (1, 30)
    assert np.isfinite(curve["loss"]).all()


def test_frames_are_denoised_the_same(make_network, make_slice):
    network, part = make_network(), make_slice()
    architecture = Noise2Noise(width=4, depth=2, precision="float32", residual=False).architecture()
    on_cpu, on_gpu = (concentration_of(network, part.frames, architecture, device, 1) for device in ("cpu", "cuda"))
    assert on_gpu.device.type == "cpu"
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-4, atol=1e-3)


def test_coefficients_are_denoised_the_same():
    architecture = SubspaceNoise2Noise(width=4, depth=2, rank=2, precision="float32").architecture()
    images = torch.randn(1, 6, 32, 24, generator=torch.Generator().manual_seed(0))
    on_cpu, on_gpu = (
        coefficients_of(
            ready(architecture.network(1), device, torch.float32), images.to(device), architecture, device
        ).cpu()
        for device in ("cpu", "cuda")
    )
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("precision", "most_hu"), [("float32", 0.01), ("bf16", 0.3)])
def test_a_scan_of_slices_of_several_sizes_is_denoised_the_same(context, precision, most_hu):
    """Whose slices go together on a GPU and one after another on a CPU."""
    frames = example_case(slices=3, rows=40, columns=36).observation.frames.copy(deep=True)
    frames["brain"][1, :12] = False
    architecture = SubspaceNoise2Noise(width=4, depth=2, precision=precision).architecture()
    network = architecture.network(1)
    torch.nn.init.normal_(network.unet.last.weight, std=0.05, generator=torch.Generator().manual_seed(0))
    fitted = FittedSubspace.of(network, architecture, {})
    on_cpu, on_gpu = (fitted.denoise(frames, replace(context, device=device)).values for device in ("cpu", "cuda"))
    assert abs(on_gpu - on_cpu).max() < most_hu
    assert abs(on_cpu - frames.values).max() > 3


def test_a_scan_is_denoised_the_same_in_little_memory(context, monkeypatch):
    """Memory runs out, and the batch is halved until it does not."""
    frames = example_case(slices=16, rows=256, columns=256).observation.frames
    architecture = SubspaceNoise2Noise(precision="float32").architecture()
    fitted = FittedSubspace.of(architecture.network(1), architecture, {})
    there = replace(context, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    expected, most = fitted.denoise(frames, there).values, torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    held = torch.cuda.memory_allocated()  # by the libraries, for as long as the process lives
    monkeypatch.setattr("ctpbench_unet.memory.free_bytes", lambda: 2**40)
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        torch.cuda.set_per_process_memory_fraction((held + most) / 2 / total)
        got = fitted.denoise(frames, there).values
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    np.testing.assert_allclose(got, expected, atol=0.01)


def test_a_run_computes_on_it(tmp_path):
    """Each method in a process of its own, which the kernel holds and in which the harness has done nothing before."""
    phantom = {
        "size_px": 64,
        "pixel_mm": 4,
        "views": 256,
        "detectors": 96,
        "train_slices": 2,
        "validation_slices": 0,
        "test_slices": 2,
    }
    small = {"width": 4, "depth": 2, "steps": 4, "patch_px": 16}
    suite = {
        "name": "gpu",
        "datasets": [{"name": "phantom", "noise": [2e5], "params": phantom}],
        "denoisers": [{"name": name, "params": small} for name in ("n2n", "subspace_n2n")],
        "metrics": ["rmse"],
        "resources": {"device": "cuda", "timeout_s": 120},
    }
    board = run_suite(suite, tmp_path / "run", cache=tmp_path / "cache").leaderboard
    assert list(board["status"]) == ["ok", "ok"]


def test_a_non_local_mean_is_the_same():
    images = torch.randn(3, 40, 32, generator=torch.Generator().manual_seed(0))
    tissue = torch.ones(40, 32)
    tissue[:, :3] = 0
    images = images * tissue
    on_gpu = non_local_mean(images.cuda(), tissue.cuda(), 0.1).cpu()
    torch.testing.assert_close(on_gpu, non_local_mean(images, tissue, 0.1), rtol=1e-4, atol=1e-5)


def test_bf16_is_what_auto_means_where_the_gpu_has_it(make_network, make_slice):
    network, part = make_network(), make_slice()
    float32, auto = (
        concentration_of(
            network,
            part.frames,
            Noise2Noise(width=4, depth=2, precision=precision, residual=False).architecture(),
            "cuda",
            1,
        )
        for precision in ("float32", "auto")
    )
    if torch.cuda.is_bf16_supported(including_emulation=False):
        assert not torch.equal(float32, auto)
    torch.testing.assert_close(auto, float32, rtol=0.05, atol=0.2)
