"""Coefficient images of a scan's own components: what they stand for, and what training and use make of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ctpbench import DataError, Observation
from ctpbench.perfusion import temporal_components
from ctpbench_unet import SubspaceNoise2Noise, SubspaceSupervised
from ctpbench_unet.objectives import clean_coefficients, left_out_frames
from ctpbench_unet.subspace import NOISE, subspace_slices

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
    basis = temporal_components(frames.values[:, brain]).with_mean(3)
    for part in subspace_slices(frames, 3, multiple=8, clean=clean):
        assert part.unit_hu == pytest.approx(NOISE * NOISE_HU, rel=0.1)
        rows, columns = (axis.stop - axis.start for axis in part.box)
        inside = brain[part.z][part.box]
        for images, series in ((part.coefficients(), frames), (part.clean_coefficients((slice(None),) * 2), clean)):
            hu = images * part.unit_hu + part.offset * part.tissue
            expected = np.tensordot(basis.T, series.values[:, part.z][:, *part.box], axes=1) * inside
            np.testing.assert_allclose(hu[:, :rows, :columns], expected, atol=2e-3)
            assert (images * (1 - part.tissue) == 0).all()
        assert float((part.coefficients()[-1] * part.tissue).sum() / part.tissue.sum()) == pytest.approx(0, abs=0.5)


def test_some_frames_are_fitted_by_least_squares(scan):
    part = subspace_slices(scan[0], 2, multiple=8)[0]
    chosen = torch.tensor([0, 3, 4, 8, 9, 11, 13, 20])
    window = slice(8, 16), slice(16, 24)
    fitted = part.coefficients(window, chosen) * part.unit_hu + part.offset
    curves = part.frames[:, *window][chosen].flatten(1).numpy()
    expected = np.linalg.lstsq(part.basis[chosen].numpy(), curves, rcond=None)[0]
    np.testing.assert_allclose(fitted.flatten(1), expected, atol=1e-2)


def test_all_components_give_the_series_back(scan):
    part = subspace_slices(scan[0], TIMES - 1, multiple=8)[0]
    series = part.series(part.coefficients())
    np.testing.assert_allclose(series * part.tissue, part.frames * part.tissue, atol=5e-2)
    some = torch.tensor([2, 7])
    np.testing.assert_allclose(part.series(part.coefficients(), some), series[some], atol=1e-4)


def test_more_components_than_frames_are_refused_in_one_line(scan):
    with pytest.raises(DataError, match=r"rank: got 24; allowed: fewer components than the 24 frames"):
        subspace_slices(scan[0], TIMES, multiple=8)


def spied(objective, seed=0):
    """The terms of a batch for a network that changes nothing, and what it was shown."""
    shown = []

    def network(images):
        shown.append(images)
        return images

    return objective(network, np.random.default_rng(seed)), shown[0]


def test_no_frame_is_both_seen_and_compared_with(scan, monkeypatch):
    (part, *_) = subspace_slices(scan[0], 2, multiple=8)
    seen, compared = [], []
    fit, make = type(part).coefficients, type(part).series
    monkeypatch.setattr(type(part), "coefficients", lambda p, w, kept: seen.append(kept) or fit(p, w, kept))
    monkeypatch.setattr(type(part), "series", lambda p, c, out: compared.append(out) or make(p, c, out))
    spied(left_out_frames([part], batch=20, patch_px=16, target_share=0.25))
    assert len(seen) == len(compared) == 20
    for kept, left_out in zip(seen, compared, strict=True):
        assert len(left_out) == 6
        assert sorted([*kept.tolist(), *left_out.tolist()]) == list(range(TIMES))
    assert len({tuple(kept.tolist()) for kept in seen}) == 20


def test_nothing_clean_is_looked_at(scan):
    frames, clean = scan
    noisy, both = (subspace_slices(frames, 2, multiple=8, clean=c) for c in (None, clean))
    one, two = (spied(left_out_frames(parts, 4, 16, 0.2))[0].fit for parts in (noisy, both))
    assert one == two
    assert one * NOISE**2 == pytest.approx(1, abs=0.4)  # the noise of the target, and of what was fitted


def test_supervised_loss_is_that_of_the_coefficients(scan):
    frames, clean = scan
    parts = subspace_slices(frames, 2, multiple=8, clean=clean)
    terms, shown = spied(clean_coefficients(parts, 5, 16))
    assert shown.shape == (5, 3, 16, 16)
    assert terms.fit * NOISE**2 == pytest.approx(1, abs=0.25)  # noise of one pixel of a frame in each coefficient
    exact = [replace(part, frames=part.clean) for part in parts]
    assert spied(clean_coefficients(exact, 5, 16))[0].fit == pytest.approx(0, abs=1e-6)
    assert terms.bias == 0


def test_whole_slices_of_two_sizes_fill_a_batch(scan):
    parts = subspace_slices(scan[0], 2, multiple=8)
    terms, shown = spied(left_out_frames(parts, 6, None, 0.2))
    assert shown.shape[-2:] == (40, 40)
    assert torch.isfinite(terms.fit)


@pytest.mark.parametrize("flips", [0, 1, 2, 3])
def test_flips_are_undone(scan, flips, monkeypatch):
    (part, *_) = subspace_slices(scan[0], 2, multiple=8)
    axes = [axis for axis, bit in ((-2, 1), (-1, 2)) if flips & bit]
    window = slice(8, 24), slice(8, 24)
    monkeypatch.setattr("ctpbench_unet.objectives._patches", lambda *a: [(part, window, axes)])
    terms, shown = spied(left_out_frames([part], 1, 16, 0.2))
    monkeypatch.setattr("ctpbench_unet.objectives._patches", lambda *a: [(part, window, [])])
    plain, straight = spied(left_out_frames([part], 1, 16, 0.2))
    assert terms.fit == pytest.approx(float(plain.fit), rel=1e-5)
    assert torch.equal(shown.flip(axes), straight)


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
    assert fitted.curve["loss"][-1] < fitted.curve["loss"][0]
