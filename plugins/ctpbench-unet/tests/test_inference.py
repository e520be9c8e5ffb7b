"""From frames to concentration: eq. 8, in batches of any size, within the memory there is."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from ctpbench_unet import Noise2Noise, SubspaceNoise2Noise
from ctpbench_unet.frames import independent
from ctpbench_unet.inference import coefficients_of, concentration_of
from ctpbench_unet.memory import fitting, in_batches
from ctpbench_unet.pairs import Place
from ctpbench_unet.targets import from_adjacent_frames

from . import naive

NEIGHBOURS = pytest.mark.parametrize("neighbours", [0, 2])


def small(neighbours=0, **changes):
    """The architecture of `make_network`, used in float32."""
    method = Noise2Noise(width=4, depth=2, residual=False, precision="float32", context_frames=neighbours)
    return replace(method.architecture(), **changes)


def denoised(network, part, architecture):
    return concentration_of(network, part.frames, architecture, "cpu", 1).numpy()


@NEIGHBOURS
def test_it_is_the_mean_over_both_early_frames(make_slice, make_network, neighbours):
    """Eq. 8."""
    part, network = make_slice(), make_network(context_frames=neighbours)

    def answer(images):
        with torch.no_grad():
            return network(torch.from_numpy(images)[None])[0, 0].double().numpy()

    expected = naive.concentration(answer, part.frames.numpy(), neighbours)
    got = denoised(network, part, small(neighbours))
    np.testing.assert_allclose(got, expected, atol=1e-4 * abs(expected).max())
    assert expected.std() > 0.1


@NEIGHBOURS
def test_its_input_in_use_is_that_of_training(make_slice, make_network, make_spy, neighbours):
    """To the bit, for every frame and early frame that is trained."""
    part, spy = make_slice(), make_spy(make_network(context_frames=neighbours))
    denoised(spy, part, small(neighbours, inference_batch=5))
    maker = from_adjacent_frames([part], ratio=False, neighbours=neighbours)
    n_frames = len(part.frames)
    moments = [(t, early) for t in range(n_frames) for early in (0, 1)]
    compared = 0
    for seen, (t, early) in zip(spy.seen, moments, strict=True):
        if independent(t, early, n_frames, neighbours):
            assert torch.equal(seen, maker(Place(0, t, early, (slice(None), slice(None)))).images)
            compared += 1
    assert compared == 2 * (n_frames - 2) - 2


@pytest.mark.parametrize("size", [1, 3, 16, 1000])
def test_batches_of_any_size_give_the_same_answer(make_slice, make_network, size):
    part, network = make_slice(), make_network()
    expected = denoised(network, part, small(inference_batch=7))
    got = denoised(network, part, small(inference_batch=size))
    np.testing.assert_allclose(got, expected, atol=1e-5 * abs(expected).max())


class Crowded(torch.nn.Module):
    """A network on a device with memory for so many images, or another fault."""

    def __init__(self, network, room, text="CUDA out of memory. Tried to allocate 2.00 GiB"):
        super().__init__()
        self.network, self.room, self.text, self.tried = network, room, text, []

    def forward(self, images):
        self.tried.append(len(images))
        if len(images) > self.room:
            raise RuntimeError(self.text)
        return self.network(images)


@pytest.mark.parametrize("text", ["CUDA out of memory.", "DefaultCPUAllocator: can't allocate memory: you tried"])
def test_where_memory_runs_out_batches_get_smaller(make_slice, make_network, text):
    part, architecture = make_slice((15, 8, 8)), small(inference_batch=12)
    crowded = Crowded(make_network(), 2, text)
    expected = denoised(make_network(), part, architecture)
    np.testing.assert_allclose(denoised(crowded, part, architecture), expected, atol=1e-5 * abs(expected).max())
    assert crowded.tried == [12, 6, 3] + [1] * 30


def test_where_not_even_one_image_fits_the_error_passes_on(make_slice, make_network):
    crowded = Crowded(make_network(), 0)
    with pytest.raises(RuntimeError, match="out of memory"):
        denoised(crowded, make_slice((5, 8, 8)), small(inference_batch=8))
    assert crowded.tried == [8, 4, 2, 1]


def test_another_error_is_not_taken_for_lack_of_memory(make_slice, make_network):
    crowded = Crowded(make_network(), 2, "expected scalar type Float but found Half")
    with pytest.raises(RuntimeError, match="scalar type"):
        denoised(crowded, make_slice((5, 8, 8)), small(inference_batch=8))
    assert crowded.tried == [8]


def test_answers_come_in_order_whatever_the_batches():
    room = iter([5, 3, 9, 2, 9, 9, 9, 9, 9])

    def answer(parts):
        if len(parts) > next(room):
            raise RuntimeError("out of memory")
        return torch.tensor(parts)

    assert torch.cat(list(in_batches(answer, list(range(11)), 4))).tolist() == list(range(11))


def test_the_images_of_a_batch_that_failed_are_let_go_before_memory_is_given_back(monkeypatch):
    """As long as the error lives, its traceback holds them."""
    held, still_held = [], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: still_held.append(held[-1]() is not None))

    def answer(parts):
        images = torch.zeros(3)
        held.append(weakref.ref(images))
        if len(parts) > 2:
            raise RuntimeError("CUDA out of memory.")
        return torch.tensor(parts)

    assert len(list(in_batches(answer, list(range(8)), 8))) == 4
    assert still_held == [False, False]


def test_it_changes_neither_frames_nor_threads_and_keeps_no_gradient(make_slice, make_network):
    part, network = make_slice(), make_network()
    before = part.frames.clone()
    torch.set_num_threads(2)
    answer = concentration_of(network, part.frames, small(), "cpu", 1)
    assert torch.get_num_threads() == 2
    assert torch.equal(part.frames, before)
    assert not answer.requires_grad
    assert answer.dtype == torch.float32
    assert not network.training
    assert all(weights.grad is None for weights in network.parameters())


def test_bf16_is_near_float32(make_slice, make_network):
    part, network = make_slice(), make_network()
    exact, rough = (denoised(network, part, small(precision=precision)) for precision in ("float32", "bf16"))
    assert 0 < abs(rough - exact).max() < 0.02 * abs(exact).max()


@pytest.mark.parametrize(("device", "images"), [("cpu", 16), ("mps", 16), ("cuda", 40)])
def test_without_a_number_as_many_images_go_at_once_as_suits_the_device(
    make_slice, make_network, monkeypatch, device, images
):
    """Unless their number is given: on a GPU those that half of its free memory holds."""
    part, crowded = make_slice((30, 8, 8)), Crowded(make_network(), 1000)
    monkeypatch.setattr("ctpbench_unet.memory.free_bytes", lambda: 2 * 4 * 8 * 4 * 64 * 40 + 10)
    monkeypatch.setattr("ctpbench_unet.inference.fitting", lambda each, _, otherwise: fitting(each, device, otherwise))
    denoised(crowded, part, small())
    assert crowded.tried == [images] * (60 // images) + [60 % images]


def test_one_part_is_tried_however_little_memory_is_free(monkeypatch):
    monkeypatch.setattr("ctpbench_unet.memory.free_bytes", lambda: 1000)
    assert fitting(1e9, "cuda", 5) == 1


# -- coefficients ---


@pytest.fixture
def taught():
    """A network on two coefficients and the mean whose answer is not nothing, and its architecture."""
    architecture = SubspaceNoise2Noise(width=4, depth=2, rank=1, precision="float32").architecture()
    network = architecture.network(1)
    torch.nn.init.normal_(network.unet.last.weight, generator=torch.Generator().manual_seed(0))
    return network, architecture


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("mirrors", "axes_of"), [(1, [()]), (2, [(), (1, 2)]), (4, [(), (1,), (2,), (1, 2)])])
def test_coefficients_are_the_mean_over_mirror_images(taught, mirrors, axes_of):
    network, architecture = taught
    images = noise(3, 4, 12, 8)
    with torch.no_grad():
        answers = [[network(each.flip(axes)[None])[0].flip(axes) for axes in axes_of] for each in images]
    got = coefficients_of(network, images, architecture, "cpu", mirrors=mirrors)
    for one, expected in zip(got, answers, strict=True):
        torch.testing.assert_close(one, torch.stack(expected).mean(dim=0))
        assert mirrors == 1 or (expected[0] - expected[-1]).std() > 0.01
    for axes in axes_of:
        turned = coefficients_of(network, images.flip([a + 1 for a in axes]), architecture, "cpu", mirrors=mirrors)
        torch.testing.assert_close(turned, got.flip([a + 1 for a in axes]))


@pytest.mark.parametrize("depth", [2, 3])
def test_slices_of_several_sizes_are_answered_to_as_if_alone(depth):
    """What lies beyond a slice's own border counts for no more than where its image ends there."""
    architecture = SubspaceNoise2Noise(width=4, depth=depth, patch_px=8, rank=1, precision="float32").architecture()
    network = architecture.network(1)
    for index, module in enumerate(m for m in network.modules() if isinstance(m, torch.nn.Conv2d)):
        torch.nn.init.normal_(module.bias, generator=torch.Generator().manual_seed(index))
        torch.nn.init.normal_(module.weight, std=0.3, generator=torch.Generator().manual_seed(index))
    sizes = [(16, 8), (12, 20), (16, 20)]
    images, inside = torch.zeros(3, 4, 16, 20), torch.zeros(3, 1, 16, 20)
    for number, (rows, columns) in enumerate(sizes):
        images[number, :, :rows, :columns] = noise(4, rows, columns, seed=number)
        inside[number, :, :rows, :columns] = 1
    got = coefficients_of(network, images, architecture, "cpu", inside=inside)
    for number, (rows, columns) in enumerate(sizes):
        alone = coefficients_of(network, images[number, None, :, :rows, :columns], architecture, "cpu")[0]
        torch.testing.assert_close(got[number, :, :rows, :columns], alone)
    assert not torch.allclose(coefficients_of(network, images, architecture, "cpu")[0, :, :, :8], got[0, :, :, :8])
