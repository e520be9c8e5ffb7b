"""How cells are driven: what never changes an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How to drive.

    Attributes
    ----------
    jobs : int
        Cells side by side.
    fail_fast : bool
        Whether the first cell that fails ends the run.
    rerun_failed : bool
        Whether cells that failed are run again.
    serial_timing : bool
        Whether methods are timed alone, whatever `jobs` says.
    """

    jobs: int = 1
    fail_fast: bool = False
    rerun_failed: bool = False
    serial_timing: bool = False
