"""Which environment variables a process that works gets: those that decide how it computes, and no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping

_KEPT = re.compile(
    "COLUMNS|CTPBENCH_HIDE_BF16|HOME|LANG|LANGUAGE|LD_LIBRARY_PATH|PATH|TMPDIR|TZ|XDG_CACHE_HOME|PYTHON.*"
    "|(COVERAGE|CUDA|DYLD|KMP|LC|MKL|NUMBA|NVIDIA|OMP|OPENBLAS|PYTORCH|TORCH)_.*"
)


def allowed(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment a process that works gets.

    >>> allowed({"PATH": "/bin", "OMP_NUM_THREADS": "2", "AWS_SECRET_ACCESS_KEY": "x"})
    {'PATH': '/bin', 'OMP_NUM_THREADS': '2'}
    """
    return {name: value for name, value in environment.items() if _KEPT.fullmatch(name)}
