"""Coefficient images of a scan's own components: what they stand for, and what training and use make of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ctpbench import DataError, Observation
from ctpbench.perfusion import Tikhonov, deconvolve, smooth_components, subtract_baseline
from ctpbench_unet import SubspaceNoise2Noise, SubspaceSupervised
from ctpbench_unet.fitted import FittedSubspace
from ctpbench_unet.non_local_mean import non_local_mean
from ctpbench_unet.subspace import NOISE, at_home, images_of, subspace_slices
from ctpbench_unet.subspace_objectives import clean_coefficients, left_out_frames

TIMES, NOISE_HU = 24, 4.0


@pytest.fixture
def scan():
    """Frames of two slices with tissue of their own sizes, (time, z, y, x), HU, and the noiseless ones."""
    rng = np.random.default_rng(0)
    time = np.arange(TIMES)
    bolus = np.exp(-((time - 9.0) ** 2) / 12)
    y, x = np.indices((40, 44))
    height = 20 * (1 + 0.5 * np.sin(x / 6) * np.cos(y / 5))
    clean = 35 + height * bolus[:, None, None] + (8 * np.cos(y / 9)) * np.roll(bolus, 4)[:, None, None]
    clean = np.repeat(clean[:, None], 2, axis=1)
    brain = np.zeros((2, 40, 44), bool)
    brain[0, 3:36, 4:40] = brain[1, 10:30, 8:33] = True
    noisy = (clean + rng.normal(0, NOISE_HU, clean.shape)).astype(np.float32)
    frames = Observation.of(
        noisy,
        times_s=time.astype(float),
        spacing_mm=(5, 1, 1),
        brain=brain,
        vessels=np.zeros_like(brain),
        aif=100 * bolus,
    ).frames
    return frames, frames.copy(data=clean.astype(np.float32))


def test_coefficients_are_the_projections_of_the_curves_in_units_of_noise(scan):
    frames, clean = scan
    brain = frames["brain"].values
    basis = smooth_components(frames.values, brain).with_mean(2)
    for part in subspace_slices(frames, 2, multiple=8, clean=clean):
        np.testing.assert_allclose(part.basis, basis, atol=1e-6)
        assert part.unit_hu == pytest.approx(NOISE * NOISE_HU, rel=0.1)
        rows, columns = (axis.stop - axis.start for axis in part.box)
        inside = brain[part.z][part.box]
        for images, series in ((part.coefficients(), frames), (part.clean_coefficients(), clean)):
            hu = images * part.unit_hu + part.offset * part.tissue
            expected = np.tensordot(part.basis.T, series.values[:, part.z][:, *part.box], axes=1) * inside
            np.testing.assert_allclose(hu[:, :rows, :columns], expected, atol=2e-3)
            assert (images * (1 - part.tissue) == 0).all()
        assert float((part.coefficients()[-1] * part.tissue).sum() / part.tissue.sum()) == pytest.approx(0, abs=0.5)


def test_some_frames_are_fitted_by_least_squares(scan):
    part = subspace_slices(scan[0], 2, multiple=8)[0]
    chosen = torch.tensor([0, 3, 4, 8, 9, 11, 13, 20])
    fitted = part.coefficients(chosen) * part.unit_hu + part.offset
    curves = (part.frames[chosen] * part.tissue).flatten(1).numpy()
    expected = np.linalg.lstsq(part.basis[chosen].numpy(), curves, rcond=None)[0]
    inside = part.tissue.flatten() > 0
    np.testing.assert_allclose(fitted.flatten(1)[:, inside], expected[:, inside], atol=1e-2)


def test_all_components_give_the_series_back(scan):
    part = subspace_slices(scan[0], TIMES - 1, multiple=8)[0]
    series = part.series(part.coefficients())
    np.testing.assert_allclose(series * part.tissue, part.frames * part.tissue, atol=5e-2)


@pytest.mark.parametrize("rank", [2, 3, 6])
def test_curves_are_put_as_the_series_is(scan, rank):
    """Whatever is no tissue stays, within the box as well."""
    generator = torch.Generator().manual_seed(rank)
    for part in subspace_slices(scan[0], rank, multiple=8):
        part.tissue[6:11, 4:9] = 0
        coefficients = torch.randn(rank + 1, *part.tissue.shape, generator=generator)
        before = scan[0].values
        expected, got = before.copy(), before.copy()
        got[:, part.z] = np.nan
        part.put(part.series(coefficients), expected)
        part.put_curves(coefficients, torch.from_numpy(before.copy()), got)
        np.testing.assert_allclose(got, expected, atol=1e-3)
        changed = (got != before).any(axis=0)
        assert changed.sum() == part.tissue.sum()
        assert changed[part.z][part.box].sum() == changed.sum()


def test_a_series_may_lie_in_memory_as_it_likes(scan):
    """A part of one, say, or one that a library keeps the other way round."""
    (part, *_), before = subspace_slices(scan[0], 2, multiple=8), scan[0].values
    coefficients = torch.randn(3, *part.tissue.shape, generator=torch.Generator().manual_seed(0))
    expected, got, other = before.copy(), np.empty_like(before, order="F"), np.asfortranarray(before)
    part.put_curves(coefficients, torch.from_numpy(before.copy()), expected)
    part.put_curves(coefficients, torch.from_numpy(other), got)
    np.testing.assert_array_equal(got[:, part.z], expected[:, part.z])
    (turned, *_) = subspace_slices(scan[0].copy(data=other), 2, multiple=8)
    torch.testing.assert_close(turned.frames, part.frames)


@pytest.mark.parametrize("count", [None, 12])
def test_images_are_coefficients_and_their_non_local_mean(scan, count):
    """Its noise is that of fewer frames where fewer are fitted."""
    part = subspace_slices(scan[0], 2, multiple=8)[1]
    frames = None if count is None else torch.arange(TIMES)[::2]
    noisy = part.coefficients(frames)
    variance = (1 if count is None else TIMES / count) / NOISE**2
    expected = torch.cat([noisy, non_local_mean(noisy, part.tissue, variance)])
    torch.testing.assert_close(part.images(frames), expected)


def test_the_form_of_the_residue_is_the_square_of_what_is_deconvolved(scan):
    """Up to one factor; what is even in time costs nothing."""
    part = subspace_slices(scan[0], 2, multiple=8)[0]
    form = part.residue_form().double().numpy()
    errors = np.random.default_rng(0).normal(size=(3, 20))
    curves = subtract_baseline((part.basis.double().numpy() @ errors).astype(np.float32))
    residues = deconvolve(curves, part.aif, 1.0, Tikhonov(0.1)).astype(np.float64)
    ratio = np.einsum("ij,ik,kj->j", errors, form, errors) / (residues**2).sum(axis=0)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    assert np.trace(form) == pytest.approx(3, rel=1e-5)
    np.testing.assert_allclose(form[-1], 0, atol=1e-6)


def test_more_components_than_frames_are_refused_in_one_line(scan):
    with pytest.raises(DataError, match=r"rank: got 24; allowed: fewer components than the 24 frames"):
        subspace_slices(scan[0], TIMES, multiple=8)


LEFT_OUT = {"target_share": 0.25, "residue_share": 0.0, "divisions": 3}


def spied(objective, seed=0, filtered=False):
    """The terms of a batch for a network that changes nothing, or what is filtered, and what it was shown."""
    shown = []

    def network(images):
        shown.append(images)
        half = images.shape[1] // 2
        return images[:, half:] if filtered else images[:, :half]

    return objective(network, np.random.default_rng(seed)), shown[0]


def test_no_frame_is_both_seen_and_compared_with(scan, monkeypatch):
    (part, *_) = subspace_slices(scan[0], 2, multiple=8)
    seen, compared = [], []
    see, fit = type(part).images, type(part).coefficients
    monkeypatch.setattr(type(part), "images", lambda p, kept: seen.append(kept) or see(p, kept))
    monkeypatch.setattr(type(part), "coefficients", lambda p, some: compared.append(some) or fit(p, some))
    spied(left_out_frames([part], 40, 16, **LEFT_OUT))
    fitted = [some for some in compared if not any(some is kept for kept in seen)]
    assert len(seen) == len(fitted) == 3  # each division is made once
    for kept, left_out in zip(seen, fitted, strict=True):
        assert len(left_out) == 6
        assert sorted([*kept.tolist(), *left_out.tolist()]) == list(range(TIMES))
    assert len({tuple(kept.tolist()) for kept in seen}) == 3


def test_either_part_has_frames_enough_to_be_fitted(scan):
    (part, *_) = subspace_slices(scan[0], 11, multiple=8)
    for share in (0.01, 0.99):
        terms, _ = spied(left_out_frames([part], 2, 16, **LEFT_OUT | {"target_share": share}))
        assert torch.isfinite(terms.fit)
    (part, *_) = subspace_slices(scan[0], 12, multiple=8)
    with pytest.raises(DataError, match=r"frames: got 24; allowed: 26 or more, twice the coefficients of rank 12"):
        spied(left_out_frames([part], 2, 16, **LEFT_OUT))


def test_nothing_clean_is_looked_at(scan):
    frames, clean = scan
    noisy, both = (subspace_slices(frames, 2, multiple=8, clean=c) for c in (None, clean))
    one, two = (
        spied(left_out_frames(parts, 4, 16, **LEFT_OUT | {"residue_share": 0.8}))[0].fit for parts in (noisy, both)
    )
    assert one == two


def test_the_loss_of_frames_is_what_is_missed_of_them_by_more_than_no_fit_could(scan):
    """The mean square of the frames' residuals, as many times as there are frames, less that of the best fit."""
    (part, *_) = subspace_slices(scan[0], 2, multiple=8)
    objective = left_out_frames([part], 1, None, **LEFT_OUT | {"divisions": 1})
    terms, shown = spied(objective, filtered=True)
    rng = np.random.default_rng([0, 0])
    left_out = torch.from_numpy(rng.permutation(TIMES)[:6])
    plain = next(a for f in ([], [1], [2], [1, 2]) if (a := shown[0, 3:].flip(f))[:, part.tissue == 0].eq(0).all())

    def square(coefficients):
        missed = (part.series(coefficients) - part.frames)[left_out] / part.unit_hu * part.tissue
        return float(missed.square().sum(dim=0).mean()) * TIMES / len(left_out)

    per_tissue = part.tissue.numel() / float(part.tissue.sum()) / 3
    expected = (square(plain) - square(part.coefficients(left_out))) * per_tissue
    assert float(terms.fit) == pytest.approx(expected, rel=2e-2)


def test_an_even_error_costs_nothing_in_the_residue(scan):
    (part, *_) = subspace_slices(scan[0], 2, multiple=8)
    losses = {}
    for channel in (None, 0, 2):
        for share in (0.0, 1.0):
            objective = left_out_frames([part], 2, 16, **LEFT_OUT | {"residue_share": share})

            def network(images, channel=channel):
                answer = images[:, :3].clone()
                if channel is not None:
                    answer[:, channel] += 5
                return answer

            losses[channel, share] = float(objective(network, np.random.default_rng(0)).fit)
    assert losses[2, 1.0] == pytest.approx(losses[None, 1.0], rel=1e-4)
    assert losses[0, 1.0] > 2 * losses[None, 1.0]
    assert losses[2, 0.0] > 2 * losses[None, 0.0]


def test_supervised_loss_is_that_of_the_coefficients(scan):
    frames, clean = scan
    parts = subspace_slices(frames, 2, multiple=8, clean=clean)
    terms, shown = spied(clean_coefficients(parts, 5, 16, residue_share=0))
    assert shown.shape == (5, 6, 16, 16)
    assert terms.fit * NOISE**2 == pytest.approx(1, abs=0.25)  # noise of one pixel of a frame in each coefficient
    exact = [replace(part, frames=part.clean) for part in parts]
    for share in (0, 0.8):
        assert spied(clean_coefficients(exact, 5, 16, residue_share=share))[0].fit == pytest.approx(0, abs=1e-6)
    assert terms.bias == 0


def test_whole_slices_of_two_sizes_fill_a_batch(scan):
    parts = subspace_slices(scan[0], 2, multiple=8)
    terms, shown = spied(left_out_frames(parts, 6, None, **LEFT_OUT))
    assert shown.shape[-2:] == (40, 40)
    assert torch.isfinite(terms.fit)


@pytest.mark.parametrize("flips", [0, 1, 2, 3])
def test_flips_are_undone(scan, flips, monkeypatch):
    (part, *_) = subspace_slices(scan[0], 2, multiple=8)
    axes = [axis for axis, bit in ((-2, 1), (-1, 2)) if flips & bit]
    window = slice(8, 24), slice(8, 24)
    monkeypatch.setattr("ctpbench_unet.subspace_objectives._patches", lambda *a: [(0, window, axes)])
    terms, shown = spied(left_out_frames([part], 1, 16, **LEFT_OUT))
    monkeypatch.setattr("ctpbench_unet.subspace_objectives._patches", lambda *a: [(0, window, [])])
    plain, straight = spied(left_out_frames([part], 1, 16, **LEFT_OUT))
    assert terms.fit == pytest.approx(float(plain.fit), rel=1e-5)
    assert torch.equal(shown.flip(axes), straight)


def test_an_objective_made_again_goes_on_the_same_way(scan):
    """As after an interruption: what a division is does not depend on what was drawn before."""
    parts = subspace_slices(scan[0], 2, multiple=8)
    first = left_out_frames(parts, 4, 16, **LEFT_OUT)
    spied(first, seed=5)
    assert spied(first, seed=1)[0].fit == spied(left_out_frames(parts, 4, 16, **LEFT_OUT), seed=1)[0].fit


@pytest.mark.parametrize("method", [SubspaceNoise2Noise, SubspaceSupervised], ids=lambda method: method.name)
def test_it_learns_to_denoise_a_scan_it_has_seen(method, scan, context):
    from ctpbench import TrainingCase

    frames, clean = scan
    learnt = clean if method.learns_from == "clean" else None
    training = [TrainingCase("one", Observation(frames), learnt)]
    made = method(width=8, depth=3, steps=150, batch=4, patch_px=16, precision="float32")
    fitted = made.fit(training, context)
    out = fitted.denoise(frames, context)
    brain = frames["brain"].values
    before, after = (np.std((series.values - clean.values)[:, brain]) for series in (frames, out))
    assert after < 0.3 * before
    np.testing.assert_array_equal(out.values[:, ~brain], frames.values[:, ~brain])
    first, last = np.array_split(fitted.curve["loss"], 2)
    assert last.mean() < first.mean()


def test_a_slice_without_tissue_passes_unfiltered(scan, context, monkeypatch):
    monkeypatch.setattr("ctpbench_unet.fitted.np.empty_like", lambda like: np.full_like(like, np.nan))
    frames = scan[0].copy(deep=True)
    frames["brain"][1] = False
    architecture = SubspaceNoise2Noise(width=4, depth=2, rank=2, precision="float32").architecture()
    network = architecture.network(1)
    torch.nn.init.normal_(network.unet.last.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    out = FittedSubspace.of(network, architecture, {}).denoise(frames, context).values
    brain = frames["brain"].values
    np.testing.assert_array_equal(out[:, ~brain], frames.values[:, ~brain])
    assert (out[:, brain] != frames.values[:, brain]).mean() > 0.99


@pytest.mark.parametrize("room", [2, 1])
def test_slices_that_go_together_are_denoised_as_one_by_one(scan, context, monkeypatch, room):
    """As on a GPU; where memory does not hold them all, too."""
    architecture = SubspaceNoise2Noise(width=4, depth=2, rank=2, precision="float32").architecture()
    network = architecture.network(1)
    torch.nn.init.normal_(network.unet.last.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    fitted = FittedSubspace.of(network, architecture, {}, mirrors=2)
    expected = fitted.denoise(scan[0], context).values
    together, make = [], images_of

    def crowded(parts):
        together.append(len(parts))
        if len(parts) > room:
            raise RuntimeError("CUDA out of memory.")
        return make(parts)

    monkeypatch.setattr("ctpbench_unet.subspace_inference.images_of", crowded)
    monkeypatch.setattr("ctpbench_unet.subspace_inference.fitting", lambda *_, **__: 2)
    np.testing.assert_allclose(fitted.denoise(scan[0], context).values, expected, atol=1e-3)
    assert together == ([2] if room == 2 else [2, 1, 1])


@pytest.mark.parametrize(
    ("device", "free", "room", "tried"),
    [
        ("cuda", 3000, True, ["cuda"]),
        ("cuda", 3000, False, ["cuda", "cpu"]),
        ("cuda", 1500, True, ["cpu"]),
        ("cpu", 3000, True, ["cpu"]),
        ("mps", 3000, True, ["cpu"]),
    ],
)
def test_slices_lie_on_a_gpu_where_it_has_room(monkeypatch, device, free, room, tried):
    monkeypatch.setattr("ctpbench_unet.subspace.free_bytes", lambda: free)
    asked = []

    def make(home):
        asked.append(home)
        if home == "cuda" and not room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [home]

    assert at_home(make, 1000, device) == tried[-1:]
    assert asked == tried
