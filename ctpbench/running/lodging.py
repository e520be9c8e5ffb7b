"""Where a worker's guests live: a room on disk with its host, a new one for each batch but for trials of one cell.

A tuned cell has its trials denoised in rounds. Their process goes on to the next round with what it has imported and
compiled, which takes many times as long as a case.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

from ctpbench.code import kernel_cache
from ctpbench.running.host import Host
from ctpbench.running.messages import Batch
from ctpbench.running.sandbox.porter import Porter


class Lodging:
    """A worker's room, one at a time. Use as a context manager: leaving it ends who is in it.

    Parameters
    ----------
    porter : Porter
    device : str
    threads : int
    """

    def __init__(self, porter: Porter, device: str, threads: int) -> None:
        self._porter, self._device, self._threads = porter, device, threads
        self._host: Host | None = None
        self._room = Path()
        self._suits: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._leave()

    def host(self, batch: Batch) -> Host:
        """Return the host of a batch: that of the one before where both are trials of one cell."""
        suits = self._wanted(batch)
        if self._host is not None and suits == self._suits and self._room.is_dir():
            return self._host
        self._leave()
        kernels = kernel_cache(spec.code for spec in batch.assignments[0].item.task.components)
        kernels.mkdir(parents=True, exist_ok=True)
        environment = {"NUMBA_CACHE_DIR": str(kernels), **batch.environment}
        self._room, self._suits = Path(tempfile.mkdtemp(dir=batch.assignments[0].out.parent)), suits
        self._host = Host(self._room, batch.reach, environment, self._device, self._threads, self._porter)
        return self._host.__enter__()

    def end_batch(self) -> None:
        """Leave the room, unless who is in it may be asked for more."""
        if not self._suits:
            self._leave()

    def _wanted(self, batch: Batch) -> list[Any]:
        """Return what batches have in common of which one guest may do both; nothing where none may.

        Nobody waits on an accelerator, whose memory another needs meanwhile.
        """
        item = batch.assignments[0].item
        if item.stage != "prediction" or not item.group or self._device != "cpu":
            return []
        return [item.group, batch.reach, batch.environment, batch.assignments[0].out.parent]

    def _leave(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            host.__exit__()
            shutil.rmtree(self._room, ignore_errors=True)
