import subprocess
import sys

import numpy as np
import pytest

from ctpbench_phantom.scanner.geometry import FanBeam, Scanner, check_grid, check_sinograms


def test_defaults_are_table_one():
    fan = FanBeam()
    assert (fan.views, fan.detectors, fan.pitch_mm) == (1152, 384, 1.2858)
    assert (fan.source_iso_mm, fan.source_detector_mm) == (595.0, 1086.5)
    assert fan.step_rad * fan.source_detector_mm == pytest.approx(1.2858)


def test_borders_lie_half_a_step_beside_the_rays():
    fan = FanBeam(views=8, detectors=5)
    np.testing.assert_allclose(fan.edge_angles()[:-1] + fan.step_rad / 2, fan.ray_angles())
    np.testing.assert_allclose(fan.ray_angles(), -fan.ray_angles()[::-1])
    np.testing.assert_allclose(np.degrees(fan.view_angles()), np.arange(8) * 45)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"views": 10}, "FanBeam: views: got 10; allowed: a multiple of 4"),
        ({"views": 0}, "views: got 0"),
        ({"detectors": 1}, "detectors: got 1; allowed: 2 or more"),
        ({"pitch_mm": 0.0}, "pitch_mm: got 0.0; allowed: a finite number above 0"),
        ({"source_iso_mm": float("nan")}, "source_iso_mm: got nan"),
        ({"pitch_mm": 5.0}, "got a fan that opens .* degrees to each side; allowed: less than 45"),
    ],
)
def test_impossible_fan_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        FanBeam(**change)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window": "boxcar"}, "got 'boxcar'; allowed: hann, ramp, shepp-logan, cosine, hamming"),
        ({"cutoff": 0.0}, r"cutoff: got 0.0; allowed: above 0 and up to 1"),
        ({"cutoff": 1.5}, r"cutoff: got 1.5; allowed: above 0 and up to 1"),
        ({"pixel_mm": -1.0}, "pixel_mm: got -1.0"),
        ({"electronic_sigma": -1.0}, "electronic_sigma: got -1.0; allowed: 0 or more"),
    ],
)
def test_impossible_scanner_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        Scanner(**change)


def test_grid_must_be_square_and_inside_the_orbit():
    assert check_grid((33, 33), 1.0, FanBeam()) == 33
    with pytest.raises(ValueError, match=r"image: got shape \(256, 128\); allowed: square"):
        check_grid((256, 128), 1.0, FanBeam())
    with pytest.raises(ValueError, match="got corners 905 mm from the isocentre; allowed: less than 595 mm"):
        check_grid((256, 256), 5.0, FanBeam())


def test_sinograms_must_belong_to_the_fan():
    with pytest.raises(ValueError, match=r"sinograms: got shape \(2, 1152, 384\); allowed: \(n, 8, 5\)"):
        check_sinograms((2, 1152, 384), FanBeam(views=8, detectors=5))


def test_importing_the_geometry_leaves_numba_alone():
    code = (
        "import sys; from ctpbench_phantom.scanner import geometry as g; g.Scanner(); sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
