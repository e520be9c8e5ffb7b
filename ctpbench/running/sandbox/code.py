"""Which code a component's process may read: Python, libraries, ctpbench, its own, and no other plugin's."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from importlib.util import cache_from_source
from pathlib import Path

from ctpbench.code import CORE, LIBRARY_FOLDERS, own_places
from ctpbench.distributions import GROUP, distribution_of_module, folded, requirements, top_level_names
from ctpbench.running.sandbox.enclosure import Reach

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/opt", "/sys/devices/system", "/sys/fs/cgroup")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/shm")
_GPU_DEVICES = ("nvidia*", "dri", "kfd", "nvidia-caps")
_GPU_FACTS = (Path("/sys"), Path("/proc/driver"))
"""Where a GPU's driver looks for its cards."""
_OWN_THREADS = Path("/proc/self/task")
"""Where CUDA gives its threads their names; it does not start where it cannot."""


@cache
def code_reach(modules: frozenset[str], device: str) -> Reach:
    """Return what processes need that run components of these modules, beside their inputs and folders of their own.

    Readable is what lies where Python and its libraries do, less all that belongs to plugins. Of these the components'
    own remain, and those that their distributions require by their metadata. Libraries lie below Python's prefix, and
    in what is called ``site-packages`` wherever the path has it.
    """
    mine = _distributions(modules)
    hidden = {path for name, dist in _plugins().items() if name not in mine for path in _places(dist)}
    elsewhere = {Path(entry) for entry in sys.path if Path(entry).name in LIBRARY_FOLDERS}
    python = {Path(sys.prefix), Path(sys.base_prefix), *map(Path, sysconfig.get_paths().values())}
    roots = {*python, *elsewhere, *map(Path, _SYSTEM)}
    readable = {path for root in _without_parts(roots) for path in _around(root, hidden)}
    loose = {place.resolve() for module in modules for place in own_places(module)} | {CORE}
    loose = {path for path in loose if not any(path.is_relative_to(place) for place in hidden | readable)}
    listable = {path.parent for path in loose}
    loose |= {Path(cache_from_source(path)) for path in loose if path.suffix == ".py"}  # else it is compiled each time
    devices = [Path(name) for name in _DEVICES]
    if device == "cuda":
        devices += [found for pattern in _GPU_DEVICES for found in Path("/dev").glob(pattern)]
        devices.append(_OWN_THREADS)
        readable |= {path for path in _GPU_FACTS if path.exists()}
    return Reach(_texts(sorted(readable | loose)), _texts(sorted(listable)), _texts(devices))


def _texts(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(map(str, paths))


def _distributions(modules: Iterable[str]) -> set[str]:
    """Return the names of the distributions that hold modules, and of all that these require."""
    own = {name for module in modules if (name := distribution_of_module(module)[0])}
    return {folded(name) for name in own} | {name for each in own for name in requirements(each)}


def _plugins() -> dict[str, metadata.Distribution]:
    return {folded(entry.dist.name): entry.dist for entry in metadata.entry_points(group=GROUP) if entry.dist}


def _places(dist: metadata.Distribution) -> Iterator[Path]:
    """Yield the files and folders at the top of where a distribution was installed, and where an editable one lies."""
    names = {
        *top_level_names(dist.name),
        *{entry.module.partition(".")[0] for entry in dist.entry_points if entry.group == GROUP},
    }
    for entry in {str(dist.locate_file("")), *sys.path}:
        for name in names:
            for path in (Path(entry or ".") / name, Path(entry or ".") / f"{name}.py"):
                if path.exists():
                    yield path.resolve()


def _without_parts(paths: Iterable[Path]) -> list[Path]:
    """Return the paths that exist and lie in none of the others."""
    found = sorted({path.resolve() for path in paths if path.exists()})
    return [path for path in found if not any(path != other and path.is_relative_to(other) for other in found)]


def _around(root: Path, hidden: Iterable[Path]) -> Iterator[Path]:
    """Yield what covers a folder but for some paths in it."""
    inside = [path for path in hidden if path.is_relative_to(root)]
    if not inside:
        yield root
    elif root not in inside and root.is_dir():
        for child in root.iterdir():
            if not child.is_symlink():  # what it leads to is judged where it lies
                yield from _around(child, inside)
