"""From frames to concentration: eq. 8, in batches of any size, within the memory there is."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from ctpbench_unet import Noise2Noise
from ctpbench_unet.frames import independent
from ctpbench_unet.inference import coefficients_of, concentration_of, in_batches
from ctpbench_unet.network import SubspaceNetwork
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


# -- coefficients ---


def test_coefficients_are_the_mean_over_mirror_images():
    network = SubspaceNetwork(2, 4, 2)
    torch.nn.init.normal_(network.unet.last.weight, generator=torch.Generator().manual_seed(0))
    images = torch.randn(4, 12, 8, generator=torch.Generator().manual_seed(1))
    mirrors = [(), (1,), (2,), (1, 2)]
    with torch.no_grad():
        answers = [network(images.flip(axes)[None])[0].flip(axes) for axes in mirrors]
    got = coefficients_of(network, images, "float32", "cpu", 1)
    torch.testing.assert_close(got, torch.stack(answers).mean(dim=0))
    assert (answers[0] - answers[1]).std() > 0.01
    for axes in mirrors:
        turned = coefficients_of(network, images.flip(axes), "float32", "cpu", 1)
        torch.testing.assert_close(turned, got.flip(axes))
