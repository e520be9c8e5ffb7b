"""What a volume takes, when it counts as complete, and which formats a series is written in."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from ctpbench import DataError, Format, Series, Volume
from ctpbench.contract.series import slabs
from tests.fakes.ctpbench_fakes import ToyVolume

SERIES, MAP = (4, 5, 3, 2), (5, 3, 2)


class Noted(Volume):
    """Notes what its hooks are called with; `fault` is raised when it is put in its place."""

    def __init__(self, shape: tuple[int, ...], fault: Exception | None = None) -> None:
        super().__init__(shape)
        self.calls: list[str] = []
        self._fault = fault

    def _write(self, first: int, values: np.ndarray) -> None:
        self.calls.append(f"write {first} {values.shape}")

    def _finish(self) -> Path:
        self.calls.append("finish")
        if self._fault is not None:
            raise self._fault
        return Path("there")

    def discard(self) -> None:
        self.calls.append("discard")


class Blank(Series):
    """A series of zeros, which is written in the formats that a test names."""

    path = Path("blank")
    shape = SERIES
    spacing_mm = (1.0, 1.0, 1.0)
    frame_times_s = np.zeros(SERIES[:2])
    formats: ClassVar[tuple[Format, ...]] = ("dicom", "nifti")

    def __init__(self) -> None:
        self.created: list[tuple[object, ...]] = []

    def read(self, slices: slice) -> np.ndarray:
        return np.zeros(SERIES, np.float32)[:, slices]

    def _create(self, folder: Path, name: str, format: Format, *, times_s: np.ndarray | None, units: str) -> Volume:
        self.created.append((folder, name, format, times_s, units))
        return Noted(MAP)


@pytest.mark.parametrize("shape", [SERIES, MAP])
def test_slices_that_fit_are_written_in_any_order_and_the_volume_is_finished(shape):
    values = np.zeros(shape, np.float32)
    with Noted(shape) as volume:
        volume.put(4, values[..., :1, :, :])
        volume.put(0, values[..., :4, :, :])
        volume.put(2, values[..., 2:, :, :])  # again, which is no fault
    rest = shape[1:] if shape is MAP else shape[2:]
    time = () if shape is MAP else shape[:1]
    assert volume.calls == [f"write {first} {(*time, n, *rest)}" for first, n in ((4, 1), (0, 4), (2, 3))] + ["finish"]
    assert volume.shape == shape


def test_what_is_put_lies_where_it_was_put(tmp_path):
    values = np.random.default_rng(0).normal(size=SERIES).astype(np.float32)
    with ToyVolume(tmp_path / "series.npy", SERIES) as volume:
        for first, last in ((3, 5), (0, 1), (1, 3)):
            volume.put(first, values[:, first:last])
    np.testing.assert_array_equal(np.load(tmp_path / "series.npy"), values)


@pytest.mark.parametrize(
    ("shape", "first", "got"),
    [
        (SERIES, 0, (5, 3, 2)),  # no time axis
        (SERIES, 0, (3, 5, 3, 2)),  # a frame too few
        (SERIES, 0, (4, 5, 2, 2)),
        (SERIES, 0, (4, 5, 3, 1)),
        (SERIES, 0, (4, 6, 3, 2)),  # a slice too many
        (SERIES, 1, (4, 5, 3, 2)),
        (SERIES, 5, (4, 1, 3, 2)),
        (SERIES, -1, (4, 1, 3, 2)),
        (SERIES, 2, (4, 0, 3, 2)),
        (MAP, 0, (1, 5, 3, 2)),  # a time axis
        (MAP, 0, (5, 3, 3)),
        (MAP, 4, (2, 3, 2)),
        (MAP, 0, (3, 2)),
    ],
)
def test_values_that_do_not_fit_are_refused_and_not_written(shape, first, got):
    volume = Noted(shape)
    with pytest.raises(ValueError, match=r"^put: got ") as caught:
        volume.put(first, np.zeros(got, np.float32))
    allowed = "(4, n, 3, 2)" if shape == SERIES else "(n, 3, 2)"
    assert str(caught.value) == (
        f"put: got float32 of shape {got} from slice {first} on; "
        f"allowed: float32 of shape {allowed} within slices 0 to 4"
    )
    assert volume.calls == []


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int16, np.dtype(np.float32).newbyteorder()])
def test_values_of_another_type_are_refused_and_not_written(dtype):
    volume = Noted(MAP)
    with pytest.raises(ValueError, match=r"^put: got \S+ of shape \(5, 3, 2\) .*; allowed: float32 of shape"):
        volume.put(0, np.zeros(MAP, dtype))
    assert volume.calls == []


@pytest.mark.parametrize("missing", [0, 2, 4])
def test_a_volume_that_lacks_a_slice_is_not_finished_but_discarded(missing):
    volume = Noted(SERIES)
    message = rf"^finish: got 4 of 5 slices, none at index {missing}; allowed: all of them$"

    def leave_one_out() -> None:
        with volume:
            for z in range(5):
                if z != missing:
                    volume.put(z, np.zeros((4, 1, 3, 2), np.float32))

    with pytest.raises(ValueError, match=message):
        leave_one_out()
    assert volume.calls[-1] == "discard"
    assert "finish" not in volume.calls
    with pytest.raises(ValueError, match=message):
        volume.finish()


def test_slices_that_could_not_be_written_count_as_missing(monkeypatch):
    volume = Noted(MAP)

    def fail(first: int, values: np.ndarray) -> None:
        raise DataError("map: cannot be written (No space left on device)")

    with monkeypatch.context() as patch:
        patch.setattr(volume, "_write", fail)
        with pytest.raises(DataError):
            volume.put(0, np.zeros(MAP, np.float32))
    with pytest.raises(ValueError, match="finish: got 0 of 5 slices, none at index 0"):
        volume.finish()


def test_finish_says_where_the_volume_is():
    volume = Noted(MAP)
    volume.put(0, np.zeros(MAP, np.float32))
    assert volume.finish() == Path("there")


def test_a_block_that_fails_discards_the_volume_and_keeps_its_fault():
    volume = Noted(MAP)

    def fail() -> None:
        with volume:
            volume.put(0, np.zeros(MAP, np.float32))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert volume.calls == ["write 0 (5, 3, 2)", "discard"]


def test_a_volume_that_cannot_be_put_in_its_place_is_discarded():
    volume = Noted(MAP, DataError("cbf.nii: cannot be written (No space left on device)"))
    with pytest.raises(DataError, match=r"cbf\.nii: cannot be written"), volume:
        volume.put(0, np.zeros(MAP, np.float32))
    assert volume.calls == ["write 0 (5, 3, 2)", "finish", "discard"]


@pytest.mark.parametrize(("wanted", "chosen"), [(None, "dicom"), ("dicom", "dicom"), ("nifti", "nifti")])
def test_the_first_format_is_the_scans_own(wanted, chosen, tmp_path):
    series, times_s = Blank(), np.arange(4.0)
    assert series.writable_format(wanted) == chosen
    series.create(tmp_path, "denoised", wanted, times_s=times_s, units="HU")
    assert series.created == [(tmp_path, "denoised", chosen, times_s, "HU")]


@pytest.mark.parametrize(("formats", "allowed"), [(("dicom",), "dicom"), (("dicom", "mhd"), "dicom or mhd")])
def test_a_format_that_is_not_the_scans_is_refused(formats, allowed, tmp_path):
    series = Blank()
    series.formats = formats
    for call in (
        lambda: series.writable_format("nifti"),
        lambda: series.create(tmp_path, "cbf", "nifti", times_s=None, units="HU"),
    ):
        with pytest.raises(DataError, match=rf"^blank: cannot be written as nifti; allowed: {allowed}$"):
            call()
    assert series.created == []


@pytest.mark.parametrize(("slices_at_once", "multiple"), [(1, 1), (2, 1), (3, 2), (100, 3), (0, 1), (0, 4)])
def test_slabs_cover_a_series_once_in_multiples(slices_at_once, multiple, monkeypatch):
    monkeypatch.setattr("ctpbench.contract.series.SLAB_BYTES", slices_at_once * 4 * 4 * 3 * 2)
    pieces = list(slabs(Blank(), multiple))
    assert [z for piece in pieces for z in range(piece.start, piece.stop)] == list(range(5))
    for piece in pieces[:-1]:
        count = piece.stop - piece.start
        assert count % multiple == 0
        assert count <= max(slices_at_once, multiple)
