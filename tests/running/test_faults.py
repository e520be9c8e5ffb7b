"""What an exception in a child becomes."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest

from ctpbench.errors import DataError
from ctpbench.running.faults import failure


class OutOfMemoryError(RuntimeError):
    """Stands for torch's own, which is a RuntimeError too."""


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (MemoryError(), "out_of_memory", "more memory"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "out_of_memory",
            "tried",
        ),
        (
            OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 15.7 GiB"),
            "out_of_memory",
            "20.00 GiB",
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), "out_of_memory", "CUBLAS"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GiB)"), "out_of_memory", "9 GiB"),
        (RuntimeError("shapes differ"), "error", "RuntimeError: shapes differ"),
        (ValueError("two\nlines"), "error", "ValueError: two lines"),
        (KeyError(), "error", "KeyError"),
        (SystemExit(3), "error", "SystemExit: 3"),
        (DataError("case.nii: truncated"), "error", "case.nii: truncated"),
    ],
)
def test_an_exception_becomes_a_status(error, status, message):
    outcome = failure(error)
    assert outcome.status == status
    assert message in outcome.message


def test_a_full_disk_is_nobodys_failure_and_a_quota_of_its_own_is_the_methods(monkeypatch, tmp_path):
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "a"))
    assert not failure(error).disk_full
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    assert failure(error).disk_full
    assert failure(OSError(errno.ENOSPC, "No space left on device")).disk_full
