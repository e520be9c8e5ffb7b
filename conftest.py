"""What holds for all tests: idle threads of one library sleep, as in the processes of a run, and starve no other's.

OpenBLAS and OpenMP read this once, when they are imported, which no plugin of pytest does.
"""

from __future__ import annotations

import os

os.environ.update(OMP_WAIT_POLICY="passive", OPENBLAS_THREAD_TIMEOUT="4")
