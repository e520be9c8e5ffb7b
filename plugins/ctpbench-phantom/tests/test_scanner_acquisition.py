import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from ctpbench_phantom.scanner.acquisition import (
    TOLERANCE_HU,
    LineIntegrals,
    acquire,
    basis_images,
    low_rank,
    reconstruct,
)
from ctpbench_phantom.scanner.backprojector import fbp
from ctpbench_phantom.scanner.geometry import MU_WATER, FanBeam, Scanner
from ctpbench_phantom.scanner.projector import project

from . import naive_scanner as naive

SMALL = Scanner(fan=FanBeam(views=96, detectors=64, pitch_mm=5.0), pixel_mm=4.0)
SIZE = 48


def small_series(frames=12):
    head = 1000 * naive.raster_ellipse(SIZE, 4.0, (0.0, 0.0), (70.0, 85.0)) - 1000
    lesion = naive.raster_ellipse(SIZE, 4.0, (20.0, -10.0), (15.0, 25.0))
    vessel = naive.raster_ellipse(SIZE, 4.0, (-20.0, 20.0), (8.0, 8.0))
    t = np.arange(frames)[:, None, None]
    series = head + 300 * vessel * np.exp(-(((t - 4) / 2) ** 2)) + 20 * lesion * np.exp(-(((t - 6) / 3) ** 2))
    return series.astype(np.float32)


@pytest.fixture(scope="module")
def lines():
    return acquire(small_series(), SMALL)


def test_low_rank_lines_are_those_of_every_frame(lines):
    assert lines.basis.shape == (3, 96, 64)  # the mean and two curves
    assert lines.weights.shape == (12, 3)
    direct = project(MU_WATER * (1 + small_series() / 1000), SMALL.fan, SMALL.pixel_mm)
    np.testing.assert_allclose(np.tensordot(lines.weights, lines.basis, axes=1), direct, atol=5e-5)


def test_low_rank_keeps_its_tolerance_where_no_rank_suffices():
    series = np.random.default_rng(0).normal(0, 300, (9, 200))
    images, weights = low_rank(series, TOLERANCE_HU)
    assert np.abs(weights @ images - series).max() <= TOLERANCE_HU
    assert len(images) == 9
    few = np.outer(np.sin(np.arange(9)), series[0]) + series[1]
    assert len(low_rank(few, TOLERANCE_HU)[0]) == 2
    assert len(low_rank(series[:1], TOLERANCE_HU)[0]) == 1


def test_noiseless_frames_are_the_fbp_of_every_frame(lines):
    frames = reconstruct(lines, SMALL, (SIZE, SIZE))
    direct = fbp(project(MU_WATER * (1 + small_series() / 1000), SMALL.fan, 4.0), SMALL, (SIZE, SIZE))
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames, 1000 * (direct / MU_WATER - 1), atol=0.05)


def test_noisy_frames_are_the_fbp_of_noisy_line_integrals(lines):
    # The shared noiseless part leaves what eq. 12 says: the same counts, reconstructed the long way.
    from ctpbench_phantom.scanner.poisson import frame_generator, line_integral_noise

    frames = reconstruct(lines, SMALL, (SIZE, SIZE), n0=1e4, seed=5)
    p = np.tensordot(lines.weights, lines.basis, axes=1)
    noisy = np.stack([f + line_integral_noise(f, 1e4, 0.0, frame_generator(5, t)) for t, f in enumerate(p)])
    direct = 1000 * (fbp(noisy, SMALL, (SIZE, SIZE)) / MU_WATER - 1)
    np.testing.assert_allclose(frames, direct, atol=0.1)


def test_roi_is_noisy_as_before_and_the_rest_noiseless(lines):
    roi = naive.raster_ellipse(SIZE, 4.0, (0.0, 0.0), (60.0, 70.0)) > 0.5
    whole = reconstruct(lines, SMALL, (SIZE, SIZE), n0=1e4)
    part = reconstruct(lines, SMALL, (SIZE, SIZE), n0=1e4, roi=roi)
    np.testing.assert_allclose(part[:, roi], whole[:, roi], atol=0.01)  # a CPU may round the ends of a block otherwise
    np.testing.assert_array_equal(part[:, ~roi], reconstruct(lines, SMALL, (SIZE, SIZE))[:, ~roi])


def test_same_seed_same_bytes_other_seed_other_noise(lines):
    frames = [reconstruct(lines, SMALL, (SIZE, SIZE), n0=1e5, seed=seed) for seed in (1, 1, 2)]
    assert frames[0].tobytes() == frames[1].tobytes()
    noise = [(f - reconstruct(lines, SMALL, (SIZE, SIZE)))[:, 12:36, 12:36].ravel() for f in frames[1:]]
    assert abs(np.corrcoef(noise)[0, 1]) < 0.05


def test_frames_of_the_basis_images_at_hand_are_the_same_to_the_bit(lines):
    images = basis_images(lines, SMALL, (SIZE, SIZE))
    for n0 in (None, 1e5):
        shared = reconstruct(lines, SMALL, (SIZE, SIZE), n0=n0, images=images)
        assert shared.tobytes() == reconstruct(lines, SMALL, (SIZE, SIZE), n0=n0).tobytes()


def test_a_frame_does_not_depend_on_how_many_follow(lines):
    few = LineIntegrals(lines.basis, lines.weights[:5])
    whole = reconstruct(lines, SMALL, (SIZE, SIZE), n0=1e5)
    np.testing.assert_allclose(reconstruct(few, SMALL, (SIZE, SIZE), n0=1e5), whole[:5], atol=0.01)


def test_frames_have_independent_noise(lines):
    noise = reconstruct(lines, SMALL, (SIZE, SIZE), n0=1e5) - reconstruct(lines, SMALL, (SIZE, SIZE))
    correlation = np.corrcoef(noise[:, 12:36, 12:36].reshape(len(noise), -1))
    assert np.abs(correlation - np.eye(len(noise))).max() < 0.3
    assert abs(correlation[np.triu_indices(len(noise), 1)].mean()) < 0.02


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
def test_one_and_two_numba_threads_agree(lines):
    results = []
    before = numba.get_num_threads()
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            again = acquire(small_series(), SMALL)
            results.append((again.basis, reconstruct(again, SMALL, (SIZE, SIZE), n0=2e5)))
    finally:
        numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_one_and_two_blas_threads_agree():
    code = (
        "import sys, hashlib, numpy as np\n"
        "from ctpbench_phantom.scanner.acquisition import LineIntegrals, acquire, reconstruct\n"
        "from ctpbench_phantom.scanner.geometry import Scanner\n"
        "s = Scanner()\n"
        "t = np.arange(50)[:, None, None]\n"
        "images = np.random.default_rng(0).normal(0, 100, (8, 256, 256))\n"
        "series = sum(image * np.sin(t / (2 + i)) for i, image in enumerate(images)).astype('f4')\n"
        "lines = acquire(series, s)\n"
        "clean = reconstruct(lines, s, (256, 256))\n"
        "noisy = reconstruct(LineIntegrals(lines.basis, lines.weights[:3]), s, (256, 256), n0=1e5)\n"
        "print(hashlib.sha256(clean.tobytes() + noisy.tobytes()).hexdigest())\n"
    )
    digests = []
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | dict.fromkeys(names, threads),
            capture_output=True,
            text=True,
            check=True,
        )
        digests.append(run.stdout)
    assert digests[0] == digests[1]


def test_thick_object_without_photons_is_finite():
    series = np.full((2, SIZE, SIZE), 4000.0, np.float32)
    frames = reconstruct(acquire(series, SMALL), SMALL, (SIZE, SIZE), n0=10)
    assert np.isfinite(frames).all()


def test_electronic_noise_makes_frames_noisier(lines):
    noisy = Scanner(fan=SMALL.fan, pixel_mm=4.0, electronic_sigma=60.0)
    clean = reconstruct(lines, SMALL, (SIZE, SIZE))
    std = [(reconstruct(lines, s, (SIZE, SIZE), n0=2e4) - clean)[:, 12:36, 12:36].std() for s in (SMALL, noisy)]
    assert std[1] > 1.3 * std[0]


@pytest.fixture(scope="module")
def head_lines():
    # 150 x 180 mm of brain, 35 HU, in a skull of 6 mm and 1000 HU, in Table I's scanner.
    brain = naive.raster_ellipse(256, 1.0, (0.0, 0.0), (75.0, 90.0), fine=4)
    outer = naive.raster_ellipse(256, 1.0, (0.0, 0.0), (81.0, 96.0), fine=4)
    head = -1000 + 2000 * outer - 965 * brain
    return acquire(np.repeat(head[None], 6, axis=0).astype(np.float32), Scanner())


def head_noise(lines, n0):
    brain = naive.raster_ellipse(256, 1.0, (0.0, 0.0), (60.0, 72.0), fine=1) > 0
    frames = reconstruct(lines, Scanner(), (256, 256), n0=n0, roi=brain)
    return np.sqrt(frames.var(axis=0, ddof=1)[brain].mean())


def test_noise_level_of_a_head_and_its_fall_with_dose(head_lines):
    # facts: 10.5 / 7.4 / 3.3 HU were measured in tissue at 1e5 / 2e5 / 1e6.
    std = {n0: head_noise(head_lines, n0) for n0 in (1e5, 2e5, 1e6)}
    assert 6.5 < std[2e5] < 8.5
    assert std[1e5] / std[2e5] == pytest.approx(np.sqrt(2), rel=0.02)
    assert std[2e5] / std[1e6] == pytest.approx(np.sqrt(5), rel=0.02)


def test_wrong_calls_are_refused(lines):
    with pytest.raises(ValueError, match=r"n0: got -1; allowed: a number of photons above 0"):
        reconstruct(lines, SMALL, (SIZE, SIZE), n0=-1)
    with pytest.raises(ValueError, match=r"sinograms: got shape .*; allowed: \(n, 1152, 384\)"):
        reconstruct(lines, Scanner(), (SIZE, SIZE))
    with pytest.raises(
        ValueError, match=r"images: got shape \(2, 48, 48\); allowed: \(\d+, 48, 48\), an image for each"
    ):
        reconstruct(lines, SMALL, (SIZE, SIZE), images=np.zeros((2, SIZE, SIZE), np.float32))
    with pytest.raises(ValueError, match=r"series: got shape \(48, 48\); allowed: \(time, y, x\)"):
        acquire(small_series()[0], SMALL)
    with pytest.raises(ValueError, match="series: got NaN or infinity; allowed: finite HU"):
        acquire(np.full((2, 8, 8), np.nan), SMALL)
