"""Measure the peak memory of ``ctpbench denoise`` on a scan larger than memory: 512x512x320x40 float32, 12.5 GiB.

The scan, a head of rings with arteries and a vein, is written into a temporary folder; it and what is made of it take
30 GB of disk. Example: ``benchmarks/memory.py gaussian tips --slices 64``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import nibabel as nib
import numpy as np

FRAMES, SIZE_PX, PIXEL_MM, SLICE_MM = 40, 512, 0.45, 0.5
NOISE_HU = 12.0
LIMIT_GIB = 6.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("methods", nargs=-1)
@click.option("--slices", default=320, show_default=True, help="Fewer take less time, and almost as much memory.")
def main(methods: tuple[str, ...], slices: int) -> None:
    """Denoise the scan with each of METHODS (none, gaussian and tips where left out) and print what it took."""
    folder = Path(tempfile.mkdtemp(prefix="ctpbench-memory-"))
    try:
        scan = folder / "scan.nii"
        write_scan(scan, slices)
        click.echo(f"{scan.stat().st_size / 2**30:.1f} GiB: {SIZE_PX}x{SIZE_PX}x{slices}x{FRAMES} float32")
        for method in methods or ("none", "gaussian", "tips"):
            seconds, peak_gib = denoise(scan, method, folder / method)
            shutil.rmtree(folder / method)
            verdict = "below" if peak_gib < LIMIT_GIB else "ABOVE"
            click.echo(f"{method}: peak {peak_gib:.2f} GiB, {verdict} {LIMIT_GIB:g} GiB; {seconds:.0f} s")
    finally:
        shutil.rmtree(folder)


def write_scan(path: Path, slices: int) -> None:
    """Write a head with contrast running through it; its noise repeats, for drawing it anew would take an hour."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : SIZE_PX * 1j, -1 : 1 : SIZE_PX * 1j]
    radius = np.hypot(y / 0.92, x / 0.8)
    brain, white = radius < 0.88, np.hypot(y, x) < 0.5
    hu = np.select([brain & white, brain, radius < 1], [28.0, 36.0, 900.0], -1000.0)
    times_s = np.arange(FRAMES, dtype=float)
    rise = np.where(brain, np.where(white, 6.0, 12.0), 0.0) * bolus(times_s, 5, 6)[:, None, None]
    for row, column in ((-0.6, 0.12), (-0.1, 0.6), (-0.1, -0.6)):
        rise[:, np.hypot(y - row, x - column) < 0.015] = 60 * bolus(times_s, 4, 5)[:, None]
    rise[:, np.hypot(y - 0.76, x) < 0.04] = 170 * bolus(times_s, 8, 6)[:, None]
    noise = NOISE_HU * rng.standard_normal((FRAMES, SIZE_PX, SIZE_PX), dtype=np.float32)
    frames = (hu + rise).astype(np.float32)
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((SIZE_PX, SIZE_PX, slices, FRAMES))
    header.set_sform(np.diag([-PIXEL_MM, -PIXEL_MM, SLICE_MM, 1.0]), 1)
    header.set_xyzt_units("mm", "sec")
    header["pixdim"][1:5] = (PIXEL_MM, PIXEL_MM, SLICE_MM, 1.0)
    header["magic"], header["vox_offset"] = b"n+1", 352
    with path.open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        for time in range(FRAMES):
            for z in range(slices):
                drawn = np.roll(noise[(7 * time + 3 * z) % FRAMES], 13 * z + 29 * time, axis=(z + time) % 2)
                file.write((frames[time] + drawn * (radius < 1)).astype("<f4").tobytes())


def bolus(times_s: np.ndarray, start_s: float, rise_s: float) -> np.ndarray:
    """Return a gamma variate of peak 1."""
    late = np.maximum(times_s - start_s, 0) / rise_s
    return (late * np.exp(1 - late)) ** 3


def denoise(scan: Path, method: str, out: Path) -> tuple[float, float]:
    """Return the seconds and the peak resident memory, GiB, of one command."""
    program = "from ctpbench.cli import main; main(prog_name='ctpbench')"
    words = ["denoise", str(scan), "--method", method, "--out", str(out)]
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", program, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise click.ClickException(f"{method}: ended with {os.waitstatus_to_exitcode(status)}")
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return time.perf_counter() - started, usage.ru_maxrss / unit


if __name__ == "__main__":
    main()
