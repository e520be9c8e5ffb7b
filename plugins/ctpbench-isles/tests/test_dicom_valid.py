"""What is written as DICOM keeps the standard, by dciodvfy of David Clunie's dicom3tools, where that is installed."""

import shutil
import subprocess

import pytest

from ctpbench_isles.dicom import open_dicom

from .conftest import head_series
from .dicom_files import write_series

DCIODVFY = shutil.which("dciodvfy")
WRITTEN = [("denoised", "dicom"), ("cbf", "dicom"), ("cbf", "dicom-pm"), ("tmax", "dicom-pm"), ("core", "dicom-pm")]


def faults(path):
    """Return the lines about errors, and how many lines there are at all."""
    done = subprocess.run([DCIODVFY, str(path)], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if line.startswith("Error")], len(lines)


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy is not installed (Debian's dicom3tools)")
@pytest.mark.parametrize("tilt", [0.0, 1.5])
@pytest.mark.parametrize(("name", "format"), WRITTEN)
def test_every_object_is_without_an_error(tmp_path, name, format, tilt):
    scan = head_series(slices=3, rows=16, columns=14, frames=4)
    series = open_dicom(write_series(tmp_path / "scan", scan.frames, scan.times_s, tilt=tilt))
    values, times_s = (scan.frames, scan.times_s) if name == "denoised" else (scan.frames[0], None)
    (tmp_path / "out").mkdir()
    with series.create(tmp_path / "out", name, format, times_s=times_s, units="s") as volume:
        volume.put(0, (values > 0).astype("f4") if name == "core" else values)
    written = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    for path in (written[0], written[-1]):
        found, lines = faults(path)
        assert found == []
        assert lines > 1  # it has looked at it


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy is not installed (Debian's dicom3tools)")
def test_the_check_finds_an_error(tmp_path):
    scan = head_series(slices=1, rows=16, columns=14, frames=3)
    assert faults(next(write_series(tmp_path, scan.frames, scan.times_s).iterdir()))[0]
