"""The simulated head, its scanner and the real data's scaling against what was published."""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench.perfusion import Tikhonov, perfusion_maps
from ctpbench.running.estimation import WHITE_MATTER
from ctpbench_phantom.aif import grid, phantom_aif
from ctpbench_phantom.anatomy import Tissue
from ctpbench_phantom.residue import tissue_curves
from ctpbench_phantom.scanner.geometry import FanBeam
from ctpbench_phantom.tissue import TABLE
from tests import golden, naive

CLASSES = (
    Tissue.GRAY,
    Tissue.GRAY_REDUCED,
    Tissue.GRAY_SEVERE,
    Tissue.WHITE,
    Tissue.WHITE_REDUCED,
    Tissue.WHITE_SEVERE,
)
ROWS = [TABLE[label] for label in CLASSES]
TIMES_S = np.arange(50.0)


def test_the_tissue_table_is_the_published_one():
    assert set(TABLE) == set(CLASSES)
    assert [row.cbf for row in ROWS] == golden.expected("phantom.tissue.cbf").approx()
    assert [row.cbf_spread for row in ROWS] == golden.expected("phantom.tissue.cbf_spread").approx()
    assert [row.mtt_s for row in ROWS] == golden.expected("phantom.tissue.mtt").approx()
    assert [row.mtt_spread_s for row in ROWS] == golden.expected("phantom.tissue.mtt_spread").approx()
    assert [row.cbf * row.mtt_s / 60 for row in ROWS] == golden.expected("phantom.tissue.cbv").approx()
    assert [row.hu for row in ROWS] == golden.expected("phantom.tissue.hu").approx()


def test_the_aif_passes_through_the_published_samples():
    published = golden.expected("phantom.aif")
    assert phantom_aif(np.arange(1, 50, 2)).tolist() == published.approx()
    assert sum(row.aif_hu == published.value for row in golden.voxels()) >= 3


def test_regularisation_compresses_flow_as_it_does_in_the_twin():
    shares = golden.expected("phantom.tikhonov.cbf_share"), golden.expected("phantom.tikhonov.cbv_share")
    flow, transit_s = np.array([(row.cbf, row.mtt_s) for row in ROWS]).T
    volume = flow * transit_s / 60
    aif = phantom_aif(TIMES_S)
    curves = tissue_curves(phantom_aif(grid(49)), TIMES_S, flow, transit_s, np.zeros(6), "plateau")
    maps = perfusion_maps(curves, aif, 1.0, Tikhonov(0.3))
    assert (maps["cbf"] / flow).tolist() == shares[0].approx()
    assert (maps["cbv"] / volume).tolist() == shares[1].approx()
    for k in range(6):
        curve = naive.tissue_curve(phantom_aif, TIMES_S, flow[k], transit_s[k], step_s=0.02)
        twin = naive.perfusion(curve, aif, 1.0, "tikhonov", 0.3)
        assert twin["cbf"] / flow[k] == pytest.approx(shares[0].value[k], abs=2e-5)
        assert twin["cbv"] / volume[k] == pytest.approx(shares[1].value[k], abs=2e-5)


def test_the_scanner_is_the_papers():
    fan = FanBeam()
    assert [fan.pitch_mm, fan.source_iso_mm, fan.source_detector_mm] == golden.expected("scanner.geometry").approx()
    assert [fan.views, fan.detectors] == golden.expected("scanner.counts").approx()


def test_normal_white_matter_is_the_papers():
    assert WHITE_MATTER["cbf"] == golden.expected("white_matter.cbf").approx()
    assert WHITE_MATTER["cbv"] == golden.expected("white_matter.cbv").approx()
