"""Where a result comes from: suite, code, packages. On what machine, `ctpbench.running.place` says."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from ctpbench.distributions import versions
from ctpbench.plugins import Catalogue
from ctpbench.suite.entries import Suite

_PACKAGES = ("numpy", "scipy", "xarray", "numba", "torch", "scikit-image", "h5netcdf")

PLACE = ("cpu", "memory_gib", "gpu", "device", "threads", "jobs", "workers", "sandbox")
"""What is stored beside it, and says where a run was carried out."""


def provenance(suite: Suite, catalogue: Catalogue) -> dict[str, Any]:
    """Return what is stored with every result beside `PLACE`, as flat plain data."""
    plugins = {plugin.distribution: plugin.version for plugin in catalogue.loaded}
    return {
        "suite": suite.name,
        "description": suite.description,
        "metrics": [metric.label for metric in suite.metrics],
        "noise_axes": {label: [axis.symbol, axis.units] for label, axis in suite.axes.items()},
        "suite_text": suite.text,
        "suite_sha256": hashlib.sha256(suite.text.encode()).hexdigest(),
        "ctpbench": metadata.version("ctpbench"),
        "plugins": json.dumps(plugins),
        "packages": json.dumps(versions(_PACKAGES)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "git": _git(),
    }


def _git() -> str:
    """Return the commit of the harness's own checkout, and whether it was changed; empty where it is installed."""
    folder = Path(__file__).parents[2]

    def ask(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout.strip()

    try:
        if Path(ask("rev-parse", "--show-toplevel")) != folder:
            return ""
        return ask("rev-parse", "HEAD") + (" dirty" if ask("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""
