"""The accelerator, if any: resolving ``auto``, waiting for it, asking for its memory.

Importing torch takes seconds, so it is asked only where a device may be there, or where a method has imported it.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ctpbench.errors import InputError

_CARDS = Path("/proc/driver/nvidia/gpus")


def resolve(device: str) -> str:
    """Return ``"cpu"``, ``"cuda"`` or ``"mps"`` for a suite's ``resources.device``.

    Raises
    ------
    InputError
        Where the suite asks for a device that this machine lacks.
    """
    if device == "cpu":
        return "cpu"
    candidates = [device] if device != "auto" else ["cuda", "mps"]
    for candidate in candidates:
        if _plausible(candidate) and _torch_has(candidate):
            return candidate
    if device == "auto":
        return "cpu"
    raise InputError(f"resources.device: got {device!r}, which torch does not find on this machine; use auto or cpu")


def _plausible(device: str) -> bool:
    """Whether it is worth the seconds that importing torch takes."""
    if find_spec("torch") is None:
        return False
    if device == "cuda":
        return Path("/proc/driver/nvidia").exists() or sys.platform == "win32"
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _torch_has(device: str) -> bool:
    import torch

    return bool(torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available())


def cuda_cards() -> tuple[str, ...]:
    """Return the CUDA cards that this process may use, each as ``CUDA_VISIBLE_DEVICES`` names it.

    Those of that variable where it is set, else all that NVIDIA's driver for Linux lists; torch is not asked.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(card.strip() for card in named.split(",") if card.strip())
    return tuple(str(number) for number, _ in enumerate(_CARDS.glob("*")))


def synchronize(device: str) -> None:
    """Wait until the device has finished, where a method made torch use one."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and device == "cuda":
        torch.cuda.synchronize()
    elif torch is not None and device == "mps":
        torch.mps.synchronize()


def peak_memory_mib(device: str) -> float | None:
    """Peak memory of the device in MiB in this process, None where none was used."""
    torch: Any = sys.modules.get("torch")
    if torch is None or device != "cuda":
        return None
    return float(torch.cuda.max_memory_allocated()) / 2**20


class Stopwatch:
    """Wall time with the device waited for on both sides of the clock."""

    def __init__(self, device: str) -> None:
        self._device = device
        synchronize(device)
        self._started = time.perf_counter()

    def seconds(self) -> float:
        """Seconds since it was made."""
        synchronize(self._device)
        return time.perf_counter() - self._started


def hardware(device: str) -> str:
    """Name the processor that did the work: what a timing is worth depends on it."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and device == "cuda":
        return str(torch.cuda.get_device_name())
    return processor()


def processor() -> str:
    """Name this machine's processor and its number of cores."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {os.cpu_count()} cores"
