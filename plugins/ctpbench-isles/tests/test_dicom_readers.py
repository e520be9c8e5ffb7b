"""Series in time that are written as DICOM are one 4-D series to readers of others, in order, place, time and value.

SimpleITK is no requirement of the tests: ``pip install SimpleITK`` lets them run.
"""

import os
import shutil
import subprocess
import sysconfig

import nibabel as nib
import numpy as np
import pytest

from ctpbench_isles.dicom import open_dicom

from .conftest import head_series
from .dicom_files import write_series

DCM2NIIX = shutil.which("dcm2niix", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))


@pytest.fixture(params=[0.0, 1.5], ids=["upright", "tilted"])
def written(request, tmp_path):
    """A denoised series of eleven frames, so that names and numbers of one digit and two are sorted together."""
    scan = head_series(slices=3, rows=16, columns=14, frames=11, interval_s=1.5)
    series = open_dicom(write_series(tmp_path / "scan", scan.frames, scan.times_s, tilt=request.param))
    with series.create(tmp_path, "denoised", "dicom", times_s=scan.times_s, units="HU") as volume:
        volume.put(0, scan.frames)
    return tmp_path / "denoised", series, scan.frames, request.param


@pytest.mark.skipif(DCM2NIIX is None, reason="dcm2niix is not installed for this system")
def test_dcm2niix_makes_one_series_in_time(written, tmp_path):
    folder, series, frames, tilt = written
    (tmp_path / "read").mkdir()
    subprocess.run([DCM2NIIX, "-z", "n", "-o", tmp_path / "read", folder], check=True, capture_output=True)
    files = sorted((tmp_path / "read").glob("*.nii"))
    plain = [path for path in files if not path.stem.endswith("_Tilt_1")]  # beside which it makes an upright one
    assert len(plain) == 1
    image = nib.load(plain[0])
    assert image.shape == (14, 16, 3, 11)
    np.testing.assert_allclose(image.header.get_zooms()[3], 1.5, rtol=1e-6)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    values = np.asarray(image.dataobj)[:, ::-1]  # it turns the rows round
    np.testing.assert_allclose(values.T, frames, atol=1e-3)
    if not tilt:
        np.testing.assert_allclose(image.affine @ (0, 15, 0, 1), series.affine[:, 3], atol=1e-3)
        np.testing.assert_allclose(np.abs(image.affine[:3, :3]), np.abs(series.affine[:3, :3]), atol=1e-4)


def test_simpleitk_sorts_the_images_frame_by_frame(written):
    itk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    folder, series, frames, _ = written
    reader = itk.ImageSeriesReader()
    (uid,) = reader.GetGDCMSeriesIDs(str(folder))
    names = reader.GetGDCMSeriesFileNames(str(folder), uid)
    assert len(names) == frames.shape[0] * frames.shape[1]
    volumes = []
    for first in range(0, len(names), frames.shape[1]):
        reader.SetFileNames(names[first : first + frames.shape[1]])
        volumes.append(reader.Execute())
    scan = itk.JoinSeries(volumes, 0.0, 1.5)
    np.testing.assert_allclose(itk.GetArrayFromImage(scan), frames, atol=1e-3)
    np.testing.assert_allclose(scan.GetSpacing()[:2], series.spacing_mm[:0:-1], atol=1e-6)
    np.testing.assert_allclose(np.array(scan.GetOrigin()[:3]) * (-1, -1, 1), series.affine[:3, 3], atol=1e-6)
