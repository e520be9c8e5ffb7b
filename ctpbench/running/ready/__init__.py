"""Libraries that methods wait for, made ready in the process that workers and guests are forked from.

Numba with all that its first kernel needs takes a third of a second to import, torch a whole one: longer than many a
method takes. Only libraries that have a module here are made ready, for it runs in the harness's own processes; and
only on Linux, for elsewhere what they load of the system may not stand to be forked.
"""

from __future__ import annotations

import sys
from collections.abc import Collection

_LIBRARIES = ("numba", "torch")


def modules(libraries: Collection[str]) -> list[str]:
    """Return the modules whose import makes those of some distributions ready that can be; it raises nothing."""
    return [f"{__name__}.{name}" for name in _LIBRARIES if name in libraries and sys.platform == "linux"]


def heed_environment() -> None:
    """Let a library that is imported already look at environment variables that it looks at when it is imported."""
    if (numba := sys.modules.get("numba")) is not None:
        numba.config.reload_config()
