"""Torch. Neither a thread of it nor a device is started: they would not be forked."""

from __future__ import annotations

from contextlib import suppress

with suppress(Exception):  # where it fails here it fails with the method, where it is an outcome
    import torch  # noqa: F401
