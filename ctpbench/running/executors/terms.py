"""What a run asks of workers elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ctpbench.running.identity import Wanted
from ctpbench.settings import Resources


@dataclass(frozen=True)
class Terms:
    """What workers are asked for.

    Attributes
    ----------
    resources : Resources
        Device, threads and limits of each cell.
    sandboxed : bool
    serial_timing : bool
        Whether nothing else runs on the machine of work that is timed.
    wanted : Wanted
        What decides the run's answers, and must be the same there.
    folder : Path
        A folder of the run, which a worker sees that shares its disk.
    """

    resources: Resources
    sandboxed: bool
    serial_timing: bool
    wanted: Wanted
    folder: Path
