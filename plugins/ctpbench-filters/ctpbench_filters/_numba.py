"""What the kernels of this package share: how they are compiled, and on how many threads they run.

Each kernel module has a public function that checks, casts and allocates, and below it the loops. A ``prange``
runs over independent outputs only, so no answer depends on the number of threads.
"""

from __future__ import annotations

import numba

# Leave to reorder sums and to fuse multiplications with additions, but not to assume NaN and infinity away.
OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}


def use_threads(threads: int) -> None:
    """Run the parallel loops that follow on `threads` threads, or on as many as numba was started with."""
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
