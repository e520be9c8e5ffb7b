"""What a model was made of, by whom and where: ``training.json`` beside it."""

from __future__ import annotations

import platform
from typing import Any

from ctpbench.distributions import distribution_of_module, versions
from ctpbench.running.work import ComponentSpec


def versions_of(spec: ComponentSpec) -> dict[str, str]:
    """Return the versions that an answer of a component depends on: Python's, ctpbench's, its own, its libraries'."""
    distribution, version = distribution_of_module(spec.module)
    own = {distribution: version} if distribution else {}
    core = versions(("ctpbench", "numpy", "scipy"))
    return {"python": platform.python_version(), **core, **spec.libraries, **own}


def origin(spec: ComponentSpec, **facts: Any) -> dict[str, Any]:
    """Return what a model comes from: its denoiser, the facts that are given, and the versions behind it."""
    return {
        "denoiser": {"module": spec.module, "qualname": spec.qualname, **spec.identity},
        **facts,
        "versions": versions_of(spec),
    }
