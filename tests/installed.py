"""Distributions written to a folder of a test, with metadata, as an installer would leave them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from textwrap import dedent

from ctpbench.plugins import Catalogue, load_catalogue

_HEAD = """
from typing import ClassVar
import ctpbench
from ctpbench import FrameDenoiser, Metric, hookimpl
"""
DENOISER = """
class {cls}(FrameDenoiser):
    '''Frames as they are.'''
    name, version = "{name}", "1"
    def denoise(self, frames, context):
        return frames.copy()
"""
_unique = itertools.count()


class Site:
    """A folder on the import path that distributions are written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self,
        distribution: str,
        code: str,
        *,
        version: str = "1.0",
        package: bool = False,
        others: Mapping[str, str] | None = None,
        requires: str | None = None,
    ) -> str:
        """Write a module with an entry point and return the module's name, new in this process.

        `others` holds the code of further entry points by their names.
        """
        module = self._write(distribution, code, package)
        points = {"main": module}
        points |= {name: self._write(distribution, more, package) for name, more in (others or {}).items()}
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{needs}")
        lines = [f"{name} = {target}" for name, target in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[ctpbench]", *lines, ""]))
        return module

    def _write(self, distribution: str, code: str, package: bool) -> str:
        module = f"{distribution.replace('-', '_')}_{next(_unique)}"
        source = _HEAD + dedent(code)
        if package:
            (self.folder / module).mkdir()
            (self.folder / module / "__init__.py").write_text(source)
        else:
            (self.folder / f"{module}.py").write_text(source)
        return module

    def catalogue(self) -> Catalogue:
        """Return what the distributions of this folder offer, and no others."""
        found = [e for d in metadata.distributions(path=[str(self.folder)]) for e in d.entry_points]
        return load_catalogue(found)


def offering(*names: str) -> str:
    """Return the code of a plugin that offers denoisers of these names."""
    classes = "".join(DENOISER.format(cls=f"C{i}", name=name) for i, name in enumerate(names))
    hook = "@hookimpl\ndef ctpbench_denoisers():\n    return ["
    return classes + hook + ", ".join(f"C{i}" for i in range(len(names))) + "]\n"
