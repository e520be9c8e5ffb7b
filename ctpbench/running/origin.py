"""What a model was made of, by whom and where: ``training.json`` beside it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from ctpbench.code import component_libraries
from ctpbench.contract.components import Component, Trainable
from ctpbench.distributions import distribution_of, versions
from ctpbench.running.work import ComponentSpec


def versions_of(component: Component) -> dict[str, str]:
    """Return the versions that an answer of a component depends on: Python's, ctpbench's, its own, its libraries'."""
    distribution, version = distribution_of(type(component))
    own = {distribution: version} if distribution else {}
    core = versions(("ctpbench", "numpy", "scipy"))
    return {"python": platform.python_version(), **core, **component_libraries(type(component)), **own}


def origin(trainable: Trainable, spec: ComponentSpec, place: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """Return what a model comes from; `place` says device, threads and hardware, `facts` go in as they are."""
    return {
        "denoiser": {"module": spec.module, "qualname": spec.qualname, **spec.identity},
        "learns_from": trainable.learns_from,
        **facts,
        **place,
        "versions": versions_of(trainable),
    }
