"""How torch computes: with how many threads, and in which precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from ctpbench import DataError

HIDE_BF16 = "CTPBENCH_HIDE_BF16"
"""Environment variable: 1 lets the precision ``auto`` find no bf16, on any device. For tests and comparisons."""
_CPUINFO = Path("/proc/cpuinfo")
_CPU_BF16 = {"avx512_bf16", "amx_bf16"}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def autocast(device: str, precision: str) -> torch.autocast:
    """Return the context in which a network computes in `precision`: see `dtype_of`."""
    dtype = dtype_of(device, precision)
    enabled = dtype != torch.float32
    return torch.autocast(device, dtype if enabled else torch.bfloat16, enabled=enabled)


def dtype_of(device: str, precision: str) -> torch.dtype:
    """Return the type of numbers that a network computes with: float32, bf16, fp16, or what auto stands for.

    auto is bf16 where the device has instructions for it: most GPUs, CPUs with AVX-512 BF16 or AMX. Elsewhere it
    would be emulated, which made training 10 times slower on a CPU with AVX2 alone. On an NVIDIA GPU that has tensor
    cores but no bf16, those of Volta and Turing, it is fp16. float32 is torch's: on NVIDIA GPUs
    convolutions round their factors to the 10 bits of TF32. With ``CTPBENCH_HIDE_BF16=1`` in
    the environment auto is float32 everywhere.

    Raises
    ------
    DataError
        Where precision is auto and ``CTPBENCH_HIDE_BF16`` is neither 0 nor 1.
    """
    if precision != "auto":
        return {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    if auto_is_bf16(device):
        return torch.bfloat16
    return torch.float16 if device == "cuda" and not _hidden() and _has_tensor_cores() else torch.float32


def auto_is_bf16(device: str) -> bool:
    """Whether the precision auto is bf16 on this device: it has instructions for it, and they are not hidden.

    Raises
    ------
    DataError
        Where ``CTPBENCH_HIDE_BF16`` is neither 0 nor 1.
    """
    return not _hidden() and _has_bf16(device)


def _hidden() -> bool:
    value = os.environ.get(HIDE_BF16) or "0"
    if value not in ("0", "1"):
        raise DataError(f"{HIDE_BF16}: got {value}; allowed: 0 or 1")
    return value == "1"


def _has_tensor_cores() -> bool:
    major, _ = torch.cuda.get_device_capability()
    return major >= 7


def _has_bf16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device == "cpu" and not _CPU_BF16.isdisjoint(_cpu_flags(_CPUINFO))


@cache
def _cpu_flags(cpuinfo: Path) -> frozenset[str]:
    """Return the flags of an x86 CPU as Linux lists them; none where it is not known, as on other systems."""
    try:
        with cpuinfo.open() as lines:  # a paragraph for each core, all with the same flags: the first will do
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return frozenset()
    return frozenset(flags.partition(":")[2].split())
