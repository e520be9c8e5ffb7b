"""What holds for all tests, and for the time they take."""

from __future__ import annotations

import gc
import os

# Idle threads sleep: where two processes share the cores, those that spin starve the other's. OpenBLAS and OpenMP read
# this once, when they are imported, which no plugin of pytest does.
os.environ.update(OMP_WAIT_POLICY="passive", OPENBLAS_THREAD_TIMEOUT="4")

os.environ["CTPBENCH_CACHE"] = "none"  # no test sees what another, or whoever runs it, has made


def pytest_collection_finish() -> None:
    """Look for no garbage among what was imported and collected, which is most of what there is."""
    gc.collect()
    gc.freeze()
