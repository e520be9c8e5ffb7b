import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from ctpbench import DataError
from ctpbench.perfusion import Tikhonov, perfusion_maps
from ctpbench_phantom.aif import GRID_S, grid, phantom_aif, read_aif, venous
from ctpbench_phantom.anatomy import Tissue
from ctpbench_phantom.residue import residue, residue_area, tissue_curves
from ctpbench_phantom.tissue import TABLE, tissue_maps

KINDS = ["plateau", "gamma", "exponential"]
CBF = np.array([base.cbf for base in TABLE.values()])
MTT_S = np.array([base.mtt_s for base in TABLE.values()])
NO_DELAY = np.zeros(CBF.size)


def test_aif_passes_through_the_published_samples():
    samples = [0, 0, 0, 0, 25, 105, 220, 350, 440, 485, 430, 300, 180, 110, 104, 108, 115, 125, 115, 108, 98, 90]
    np.testing.assert_allclose(phantom_aif(np.arange(1, 45, 2)), samples, atol=1e-9)
    fine = phantom_aif(grid(49))
    assert fine.max() == pytest.approx(485.0)
    assert grid(49)[fine.argmax()] == pytest.approx(19.0)
    assert fine.min() == 0
    assert phantom_aif([49.0, 80.0]) == pytest.approx([112.0, 112.0])


def test_vof_comes_6_s_late_with_a_larger_area():
    aif = phantom_aif(grid(49))
    vof = venous(aif)
    assert (vof.argmax() - aif.argmax()) * GRID_S == pytest.approx(6.0, abs=0.4)
    assert 1.1 < vof.sum() / aif.sum() < 1.25
    assert (vof > vof.max() / 2).sum() > (aif > aif.max() / 2).sum()
    assert vof[grid(49) <= 11.0].max() == 0
    bolus = np.where(grid(80) < 30, aif[0] + phantom_aif(grid(80)), 0)
    centroid = [(grid(80) * curve).sum() / curve.sum() for curve in (bolus, venous(bolus))]
    assert centroid[1] - centroid[0] == pytest.approx(6.5, abs=0.1)  # 4 s of delay and 2.5 s of spread
    assert venous(bolus).sum() / bolus.sum() == pytest.approx(1.25, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(mtt=st.floats(1.0, 20.0))
def test_area_of_the_residue_is_the_transit_time(kind, mtt):
    breaks = [0.8 * mtt]
    area, _ = integrate.quad(lambda lag: float(residue(lag, mtt, kind)), 0, 20 * mtt, points=breaks, limit=400)
    assert area == pytest.approx(mtt, rel=1e-7)
    assert residue_area(1e3 if kind == "gamma" else np.inf, mtt, kind) == pytest.approx(mtt, rel=1e-12)
    part, _ = integrate.quad(lambda lag: float(residue(lag, mtt, kind)), 0, 1.1 * mtt, points=breaks)
    assert residue_area(1.1 * mtt, mtt, kind) == pytest.approx(part, rel=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_residue_falls_from_one(kind):
    values = residue(np.linspace(0, 80, 400), 5.0, kind)
    assert values[0] == 1
    assert values[-1] < 1e-6
    assert (np.diff(values) <= 0).all()
    assert residue(-0.1, 5.0, kind) == 0


def naive_curve(times_s, cbf, mtt_s, delay_s, kind, step_s=0.002):
    """c(t) = CBF/6000 times the integral of AIF(t - delay - s) R(s) ds, by the trapezium rule, time by time."""
    lags = np.arange(0, 50, step_s)
    kernel = residue(lags, mtt_s, kind)
    values = []
    for time in times_s:
        past = time - delay_s - lags
        arterial = np.where(past > 0, phantom_aif(np.maximum(past, 0)), 0)
        values.append(cbf / 6000 * np.trapezoid(arterial * kernel, dx=step_s))
    return np.array(values)


@pytest.mark.parametrize("kind", KINDS)
def test_tabulated_curves_equal_the_naive_convolution(kind):
    times_s = np.array([0.0, 7.5, 12.0, 16.35, 20.0, 24.0, 33.3, 49.0])
    cbf, mtt_s = np.array([53.0, 16.0, 2.5, 39.7]), np.array([3.774, 11.931, 10.08, 4.4449])
    delay_s = np.array([0.0, 4.0, 12.0, 1.0])
    curves = tissue_curves(phantom_aif(grid(49)), times_s, cbf, mtt_s, delay_s, kind)
    for voxel, values in enumerate(zip(cbf, mtt_s, delay_s, strict=True)):
        naive = naive_curve(times_s, *values, kind)
        np.testing.assert_allclose(curves[:, voxel], naive, atol=1e-3 * naive.max())


def test_curves_are_linear_in_flow_and_shift_with_delay():
    aif, times_s = phantom_aif(grid(60)), np.arange(60.0)
    ones = np.ones(3)
    flows = tissue_curves(aif, times_s, np.array([1.0, 2.0, 50.0]), 4 * ones, 0 * ones, "gamma")
    np.testing.assert_allclose(flows[:, 1:], flows[:, :1] * [2.0, 50.0], rtol=1e-5)
    late = tissue_curves(aif, times_s, 30 * ones, 4 * ones, np.array([0.0, 1.0, 12.0]), "gamma")
    np.testing.assert_allclose(late[1:, 1], late[:-1, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(late[12:, 2], late[:-12, 0], rtol=1e-5, atol=1e-6)
    assert tissue_curves(aif, times_s, [], [], [], "plateau").shape == (60, 0)


def compact_bolus(times_s):
    """A bolus that is over when the scan is, so that the deconvolution has an exact answer."""
    return 400 * stats.gamma.pdf(np.asarray(times_s) - 5, 2, scale=1.2)


@pytest.mark.parametrize("kind", ["plateau", "gamma"])  # flat at their tops
def test_curves_of_a_whole_bolus_deconvolve_to_the_truth(kind):
    times_s = np.arange(0, 60.1, 0.2)
    curves = tissue_curves(compact_bolus(grid(60)), times_s, CBF, MTT_S, NO_DELAY, kind)
    maps = perfusion_maps(curves[:, None, None], compact_bolus(times_s), 0.2, Tikhonov(1e-4))
    np.testing.assert_allclose(maps["cbf"].ravel(), CBF, rtol=0.005)
    np.testing.assert_allclose(maps["cbv"].ravel(), CBF * MTT_S / 60, rtol=0.003)
    np.testing.assert_allclose(maps["mtt"].ravel(), MTT_S, rtol=0.005)


def test_delay_is_where_the_deconvolved_residue_rises():
    from ctpbench.perfusion import deconvolve

    times_s = np.arange(0, 80.1, 0.2)
    delay_s = np.array([base.delay_s for base in TABLE.values()])
    curves = tissue_curves(compact_bolus(grid(80.2)), times_s, CBF, MTT_S, delay_s, "plateau")
    residues = deconvolve(curves[:, None, None], compact_bolus(times_s), 0.2, Tikhonov(1e-3))[:, 0, 0]
    rise = (residues[: times_s.size] > 0.5 * residues.max(axis=0)).argmax(axis=0) * 0.2
    np.testing.assert_allclose(rise, delay_s, atol=0.41)


# Tikhonov at 0.3 flattens the residue: CBF and CBV of the paper's scan (50 frames at 1 s, the phantom's AIF, plateau
# residue) over the truth, class by class in the order of TABLE. CBV lacks what flows on after the last frame.
TIKHONOV_CBF = [0.309, 0.716, 0.583, 0.370, 0.784, 0.675]
TIKHONOV_CBV = [0.892, 0.844, 0.864, 0.886, 0.829, 0.852]


def test_tikhonov_has_its_known_bias():
    times_s = np.arange(50.0)
    curves = tissue_curves(phantom_aif(grid(49)), times_s, CBF, MTT_S, NO_DELAY, "plateau")
    maps = perfusion_maps(curves[:, None, None], phantom_aif(times_s), 1.0, Tikhonov(0.3))
    np.testing.assert_allclose(maps["cbf"].ravel() / CBF, TIKHONOV_CBF, atol=0.003)
    np.testing.assert_allclose(maps["cbv"].ravel() / (CBF * MTT_S / 60), TIKHONOV_CBV, atol=0.003)


@pytest.mark.parametrize("label", list(TABLE))
def test_tissue_table_is_met_by_class(label):
    labels = np.full((20, 20), label)
    texture = np.linspace(-1, 1, 400).reshape(20, 20)
    base, maps = TABLE[label], tissue_maps(labels, texture, delay=True)
    for values, mean, spread in (
        (maps.cbf, base.cbf, base.cbf_spread),
        (maps.mtt_s, base.mtt_s, base.mtt_spread_s),
        (maps.baseline_hu, base.hu, 3.0),
    ):
        assert values.mean() == pytest.approx(mean)
        assert values.max() - values.mean() == pytest.approx(spread)
    np.testing.assert_allclose(maps.cbv, maps.cbf * maps.mtt_s / 60)
    assert (maps.tmax_s == base.delay_s).all()


def test_tissue_table_is_the_published_one():
    """Rows of the table in the digital brain phantom's paper: CBF, dCBF, MTT, dMTT and, rounded there, CBV."""
    published = {
        Tissue.GRAY: (53, 14, 3.74, 0.7, 3.3),
        Tissue.GRAY_REDUCED: (16, 4.25, 11.25, 0.75, 3.0),
        Tissue.GRAY_SEVERE: (5.3, 1.4, 8.04, 1, 0.71),
        Tissue.WHITE: (25, 14, 4.56, 0.7, 1.9),
        Tissue.WHITE_REDUCED: (7.5, 4.25, 13.6, 0.75, 1.7),
        Tissue.WHITE_SEVERE: (2.5, 1.4, 10.08, 1, 0.42),
    }
    for label, row in published.items():
        base = TABLE[label]
        assert (base.cbf, base.cbf_spread, base.mtt_s, base.mtt_spread_s) == row[:4]
        assert base.cbf * base.mtt_s / 60 == pytest.approx(row[4], abs=0.05)


def test_other_classes_have_their_hu_and_undefined_maps():
    others = (Tissue.AIR, Tissue.CSF, Tissue.ARTERY, Tissue.VEIN, Tissue.SKULL, Tissue.SCALP, Tissue.OLD_INFARCT)
    labels = np.array([others])
    maps = tissue_maps(labels, np.ones(labels.shape), delay=False)
    np.testing.assert_array_equal(maps.baseline_hu, [[-1000, 12, 40, 40, 1200, 60, 14]])
    assert (maps.cbf[0, [1, 6]] == 0).all()
    assert (maps.cbv[0, [1, 6]] == 0).all()
    assert np.isnan(maps.cbf[0, [0, 2, 3, 4, 5]]).all()
    assert np.isnan(maps.mtt_s).all()


def test_aif_file_is_read_on_the_fine_grid(tmp_path):
    path = tmp_path / "aif.csv"
    rows = [f"{t},{v:.6f}" for t, v in zip(range(51), phantom_aif(np.arange(51.0)), strict=True)]
    path.write_text("time_s,hu\n" + "\n".join(rows) + "\n")
    np.testing.assert_allclose(read_aif(path, 49.0), phantom_aif(grid(49)), atol=4)
    path.write_text("\n".join(rows))
    assert read_aif(path, 49.0).size == grid(49).size


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,0\n1,1\n", "2 samples"),
        ("0,0\n1,x\n", ":2: got '1,x'"),
        ("0,0,3\n1,x\n", ":1: got '0,0,3'"),
        ("0,0\n1,5\n1,4\n60,3\n", "column time_s: got times that do not increase"),
        ("0,0\n1,5\n2,4\n30,3\n", "got 0 to 30 s"),
        ("5,0\n6,5\n7,4\n60,3\n", "got 5 to 60 s"),
        ("0,0\n1,-5\n2,0\n60,0\n", "column hu: got no value above 0"),
        ("0,0\n1,nan\n2,0\n60,0\n", "NaN or infinity"),
        ("", "0 samples"),
    ],
)
def test_faults_of_an_aif_file_are_named(tmp_path, text, said):
    path = tmp_path / "aif.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"aif\.csv") as caught:
        read_aif(path, 49.0)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_or_binary_aif_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_aif(tmp_path / "none.csv", 49.0)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x9c")
    with pytest.raises(DataError, match="cannot be read"):
        read_aif(tmp_path / "binary.csv", 49.0)
