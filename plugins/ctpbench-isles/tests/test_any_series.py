"""Whole kinds: any valid series reads as it was; any damage ends in a line, in what is said, or in the right frames.

``FUZZ=2000 pytest plugins/ctpbench-isles/tests/test_any_series.py`` tries more.
"""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread, dcmwrite
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

from ctpbench import DataError, Stated, inspect_series
from ctpbench.scans.gaps import Faults
from ctpbench_isles.dicom import DicomSeries, open_dicom
from ctpbench_isles.nifti import NiftiSeries

from .conftest import head_series
from .dicom_files import SECRETS, time_text, write_enhanced, write_series
from .nifti_files import ORIENTATIONS, write_scan

TRIES = int(os.environ.get("FUZZ", "25"))
SCAN = head_series(slices=3, rows=16, columns=14, frames=6, interval_s=1.5)
QUICK = settings(
    max_examples=TRIES,
    deadline=None,
    derandomize="FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless)
CLOCKS = ("AcquisitionTime", "AcquisitionDateTime", "TriggerTime")


@QUICK
@given(
    seed=st.integers(0, 1000),
    syntax=st.sampled_from(SYNTAXES),
    clock=st.sampled_from(CLOCKS),
    begin_s=st.floats(0, 86399),
    flip=st.tuples(st.booleans(), st.booleans()),
    transpose=st.booleans(),
    tilt=st.sampled_from([0.0, 1.5, -2.0]),
    slope=st.sampled_from([1.0, 0.5, 0.25, 2.0]),
    signed=st.booleans(),
    shuttle=st.sampled_from([0.0, 0.1, 0.4]),
    bare=st.booleans(),
    series_a_frame=st.booleans(),
    suffix=st.sampled_from(["", ".dcm", ".IMA", ".123"]),
)
def test_any_valid_series_reads_as_it_was(
    seed, syntax, clock, begin_s, flip, transpose, tilt, slope, signed, shuttle, bare, series_a_frame, suffix
):
    times_s = SCAN.times_s[:, None] + shuttle * np.arange(3)
    frames = slope * np.rint(SCAN.frames / slope)
    uids = [generate_uid() for _ in range(6)]

    def change(image, t, z):
        image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 15, int(signed)
        image.RescaleSlope = slope
        image.RescaleIntercept = -2048 * (not signed)
        stored = np.frombuffer(image.PixelData, "<u2").astype(np.float64) - 1024
        stored = np.rint(slope * np.rint(stored / slope) / slope - float(image.RescaleIntercept) / slope)
        image.PixelData = stored.astype("<i2" if signed else "<u2").tobytes()
        if clock != "AcquisitionTime":
            image.AcquisitionTime = ""
            time_s = begin_s + times_s[t, z]
            image.AcquisitionDateTime = f"19990314{time_text(time_s)}" if clock == "AcquisitionDateTime" else ""
            image.TriggerTime = 1000 * times_s[t, z] if clock == "TriggerTime" else None
        if series_a_frame:
            image.SeriesInstanceUID, image.SeriesNumber = uids[t], 10 + t

    with TemporaryDirectory() as folder:
        path = write_series(
            Path(folder),
            SCAN.frames,
            times_s,
            begin_s=begin_s,
            flip=flip,
            transpose=transpose,
            tilt=tilt,
            seed=seed,
            suffix=suffix,
            change=change,
        )
        for file in path.iterdir():
            encode(file, syntax, bare)
        series = open_dicom(path)
        assert series is not None
        np.testing.assert_allclose(series.read(slice(None)), frames, atol=1e-3)
        np.testing.assert_allclose(series.frame_times_s, times_s, atol=1e-5)
        assert series.facts["times_from"] == clock
        assert not series.missing.any()
        assert series.unread == {}


def encode(file: Path, syntax: str, bare: bool) -> None:
    """Write an image anew in another transfer syntax, or without a preamble where its pixels are not compressed."""
    image = dcmread(file)
    if syntax == RLELossless:
        image.compress(RLELossless, generate_instance_uid=False)
        image.save_as(file, enforce_file_format=True)
        return
    if syntax == ExplicitVRBigEndian:
        image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
        image["PixelData"].VR = "OW"
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    image.file_meta.TransferSyntaxUID = syntax
    if bare:
        del image.file_meta
    dcmwrite(file, image, implicit_vr=implicit, little_endian=little, enforce_file_format=not bare)


@QUICK
@given(
    codes=st.sampled_from(ORIENTATIONS),
    dtype=st.sampled_from([np.int16, np.int32, np.float32, np.float64]),
    interval=st.sampled_from([0.5, 1.0, 1.7, 3.0]),
    units=st.sampled_from(["sec", "msec", "usec"]),
    version=st.sampled_from([1, 2]),
    big_endian=st.booleans(),
    name=st.sampled_from(["scan.nii", "scan.nii.gz", "SCAN.NII", "a b.Nii.Gz"]),
)
def test_any_valid_nifti_reads_as_it_was(codes, dtype, interval, units, version, big_endian, name):
    with TemporaryDirectory() as folder:
        path = write_scan(
            Path(folder) / "scan.nii",
            SCAN.frames,
            SCAN.spacing_mm,
            codes=codes,
            dtype=dtype,
            interval=interval * {"sec": 1, "msec": 1e3, "usec": 1e6}[units],
            units=units,
            version=version,
            big_endian=big_endian,
        )
        packed = path.with_name(name)
        content = path.read_bytes()
        packed.write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)
        series = NiftiSeries(packed)
        np.testing.assert_array_equal(series.read(slice(None)), SCAN.frames)
        np.testing.assert_allclose(series.frame_times_s[:, 0], interval * np.arange(6), rtol=1e-6)
        assert series.spacing_mm == pytest.approx(SCAN.spacing_mm, rel=1e-5)


# Damage

TOO_LITTLE_HU, TOO_LITTLE_S = 25.0, 0.011  # an image whose scale or time is off by so little looks as sound as any


def is_told(series: DicomSeries | NiftiSeries, error: DataError | None = None) -> None:
    """Demand one line that quotes no patient, or frames that are right wherever nothing is said of them."""
    if error is not None:
        text = str(error)
        assert "\n" not in text
        assert not [secret for secret in SECRETS if secret in text]
        return
    frames = series.read(slice(None))
    if frames.shape != SCAN.frames.shape:
        assert series.notes
        return
    wrong = (np.abs(frames - SCAN.frames) > TOO_LITTLE_HU).any(axis=(2, 3)) & ~Faults.of(frames).lost
    late = np.abs(series.frame_times_s - SCAN.times_s[:, None]) > TOO_LITTLE_S
    known = np.zeros_like(wrong) if series.missing is None else series.missing
    assert series.notes or series.unread or not ((wrong | late) & ~known).any()


def reread(path: Path) -> None:
    try:
        series = open_dicom(path)
        if series is not None:
            is_told(series)
    except DataError as error:
        is_told(None, error)


@QUICK
@given(
    seed=st.integers(0, 10**9), files=st.sampled_from([1, 2, 9, 18]), kind=st.sampled_from(["cut", "header", "zeros"])
)
def test_damaged_files_are_told(seed, files, kind):
    rng = random.Random(seed)
    with TemporaryDirectory() as folder:
        path = write_series(Path(folder), SCAN.frames, SCAN.times_s, seed=seed % 7)
        for file in rng.sample(sorted(path.iterdir()), files):
            content = bytearray(file.read_bytes())
            header = len(content) - 2 * 16 * 14
            if kind == "cut":
                content = content[: rng.randrange(len(content))]
            else:
                start = rng.randrange(header)
                some = range(start, min(start + rng.choice([1, 2, 8, 64]), header))
                content[some.start : some.stop] = bytes(0 if kind == "zeros" else rng.randrange(256) for _ in some)
            file.write_bytes(content)
        reread(path)


@QUICK
@given(seed=st.integers(0, 10**9))
def test_a_damaged_enhanced_file_is_told(seed):
    rng = random.Random(seed)
    with TemporaryDirectory() as folder:
        path = write_enhanced(Path(folder) / "scan.dcm", SCAN.frames, SCAN.times_s)
        content = bytearray(path.read_bytes())
        header = len(content) - 2 * 16 * 14 * 18
        for _ in range(rng.choice([1, 3, 20])):
            content[rng.randrange(header)] = rng.randrange(256)
        path.write_bytes(content if rng.random() < 0.8 else content[: rng.randrange(len(content))])
        reread(path)


@QUICK
@given(seed=st.integers(0, 10**9), name=st.sampled_from(["scan.nii", "scan.nii.gz"]))
def test_a_damaged_nifti_is_told(seed, name):
    rng = random.Random(seed)
    with TemporaryDirectory() as folder:
        path = write_scan(Path(folder) / name, SCAN.frames, SCAN.spacing_mm)
        content = bytearray(path.read_bytes())
        end = 352 if name == "scan.nii" else len(content)
        for _ in range(rng.choice([1, 3, 20])):
            content[rng.randrange(end)] = rng.randrange(256)
        path.write_bytes(content if rng.random() < 0.7 else content[: rng.randrange(len(content))])
        try:
            series = NiftiSeries(path, Stated(frame_interval_s=1.5))
            series.read(slice(None))
        except DataError as error:
            is_told(None, error)


def test_maps_are_refused_where_the_scan_is_all_wrong():
    with TemporaryDirectory() as folder:
        path = write_scan(Path(folder) / "scan.nii", np.zeros_like(SCAN.frames), SCAN.spacing_mm)
        with pytest.raises(DataError, match="got the value 0 throughout; allowed: a scan of the head, in HU"):
            inspect_series(NiftiSeries(path))
