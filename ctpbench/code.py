"""What code an answer depends on: hashes over the modules behind it, and the libraries that these compute with.

Which modules belong to a piece of work is read off their imports, without running any.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ctpbench.distributions import (
    distribution_of,
    distribution_of_module,
    plugin_modules,
    requirements,
    top_level_names,
    versions,
)
from ctpbench.errors import PluginError
from ctpbench.public import HOME
from ctpbench.source import forget, is_code, source

CORE = Path(__file__).parent
NUMERIC = {
    "SimpleITK": ("simpleitk",),
    "cupy": ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x"),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "dipy": ("dipy",),
    "jax": ("jax", "jaxlib"),
    "monai": ("monai",),
    "nibabel": ("nibabel",),
    "numba": ("numba", "llvmlite"),
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "pydicom": ("pydicom",),
    "pywt": ("pywavelets",),
    "scipy": ("scipy",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "tensorflow": ("tensorflow",),
    "torch": ("torch",),
    "xarray": ("xarray",),
}
"""Libraries whose version may change an answer: the name that is imported, and the distributions that may hold it."""
LIBRARY_FOLDERS = {"site-packages", "dist-packages"}
"""What a folder is called that installers put libraries into."""
_STANDARD = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
_LEFT_BEHIND = {".pyc", ".log", ".lock", ".tmp", ".swp", ".part", ".nbi", ".nbc"}


def digest(*parts: Any) -> str:
    """Return a content key: 32 hex digits over plain data."""
    return digest_of(text_of(parts))


def digest_of(text: str) -> str:
    """Return the content key of plain data that is a text already: see `text_of`."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def text_of(part: Any) -> str:
    """Return plain data as the text that keys are taken of; that of a list is its items', joined by a comma and space.

    >>> text_of([1, {"b": 2, "a": None}]) == "[" + ", ".join([text_of(1), text_of({"a": None, "b": 2})]) + "]"
    True
    """
    return json.dumps(part, sort_keys=True, allow_nan=False)


@cache
def core_hash(*modules: str) -> str:
    """Return a hash over modules of the core and all of the core that they import, directly or not.

    Parameters
    ----------
    modules : str
        Full names, such as ``"ctpbench.running.stages.data"``.
    """
    return digest([(name, source(_core_file(name)).hash) for name in sorted(core_closure(modules))])


@cache
def component_hash(cls: type) -> str:
    """Return a hash over the code that a component's class runs: that of its module, see `module_hash`."""
    return module_hash(cls.__module__)


@cache
def module_hash(module: str) -> str:
    """Return a hash over the code behind the components of a module, which need not be imported.

    That is its top-level package with the data that it ships, or its one module; whatever it imports of the same
    distribution, of another plugin, or of a folder that is no library's, such as a helper module beside it; and the
    modules of the core that all of this imports.

    Raises
    ------
    PluginError
        Where it was read from no file, so that no change could ever be noticed.
    """
    files = own_files(module)
    own = sorted((name, source(file).hash) for name, file in files.items())
    return digest(own, core_hash(*sorted(_core_imports(files.values()))))


@cache
def component_libraries(cls: type) -> dict[str, str]:
    """Return the distributions of `NUMERIC` that a component imports or its distribution requires, with versions."""
    imported = {top for file in own_files(cls.__module__).values() for top in source(file).top_level}
    required = requirements(distribution_of(cls)[0])
    names = {name for top, held in NUMERIC.items() for name in held if top in imported or name in required}
    return versions(sorted(names))


def kernel_cache(codes: Iterable[str]) -> Path:
    """Return a folder for numba's compiled kernels that changes with the code at work, as `component_hash` has it.

    Numba itself notices a change in a kernel's own file only, not in a helper that it calls.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    base = os.environ.get("NUMBA_CACHE_DIR") or Path(home) / "ctpbench"
    return Path(base) / digest("numba", sorted(codes))


def core_closure(modules: Iterable[str]) -> frozenset[str]:
    """Return the full names of modules of the core, of their packages, and of all of the core that they import."""
    found: set[str] = set()
    waiting = [part for name in modules for part in _with_packages(name)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _core_imports([_core_file(name)])
    return frozenset(found)


def read_anew() -> None:
    """Forget what was found out in this process: files may have changed since."""
    for known in (core_hash, component_hash, module_hash, component_libraries, own_files, _location):
        known.cache_clear()
    forget()


# -- the core -------------------------------------------------------------------------------------------------------


def _core_imports(files: Iterable[Path]) -> set[str]:
    """Return the modules of the core that files import; of public names of `ctpbench` those that they come from."""
    found: set[str] = set()
    for module, names in (each for file in files for each in source(file).imports):
        if module.partition(".")[0] != "ctpbench":
            continue
        found.update(_with_packages(module))
        if module == "ctpbench" and (not names or "*" in names):  # which of the public names it uses is not seen
            names = tuple(HOME)
        for name in names:
            public = module == "ctpbench" and name in HOME
            inner = f"ctpbench.{HOME[name]}" if public else f"{module}.{name}"
            if _core_path(inner).is_dir() or _core_path(inner).with_suffix(".py").is_file():
                found.update(_with_packages(inner))
    return found


def _with_packages(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]


def _core_path(module: str) -> Path:
    return CORE.joinpath(*module.split(".")[1:])


def _core_file(module: str) -> Path:
    path = _core_path(module)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


# -- what belongs to a component ------------------------------------------------------------------------------------


@cache
def own_files(module: str) -> dict[str, Path]:
    """Return the files that a component's code consists of, by names that are the same wherever they lie.

    Parameters
    ----------
    module : str
        Full name of the module that holds the component.

    Raises
    ------
    PluginError
        As `module_hash`.
    """
    top = module.partition(".")[0]
    files = _files(top, data=True)
    if not files:
        raise PluginError(f"module {module!r}: was read from no file; put the component into one")
    mine = {*top_level_names(distribution_of_module(module)[0]), *plugin_modules()} - {"ctpbench"}
    seen, waiting = {"ctpbench", top}, list(files.values())
    while waiting:
        for name in source(waiting.pop()).top_level - seen:
            seen.add(name)
            if name in mine or _is_loose(name):
                found = _files(name)
                files |= found
                waiting += found.values()
    return files


def own_places(module: str) -> set[Path]:
    """Return the folders of packages and files of modules that a component's code consists of: see `own_files`."""
    tops = {name.partition("/")[0].removesuffix(".py") for name in own_files(module)}
    return {place for top in tops if (place := _location(top)) is not None}


@cache
def _location(name: str) -> Path | None:
    """Return the folder of a top-level package or the file of a module, None where it has none."""
    loaded = sys.modules.get(name)
    places = [*getattr(loaded, "__path__", ())][:1] or [getattr(loaded, "__file__", None) or ""]
    if loaded is None:
        try:
            spec = find_spec(name)
        except (ImportError, ValueError, AttributeError):
            spec = None
        if spec is None:
            return None
        places = [*(spec.submodule_search_locations or [spec.origin or ""])][:1]
    place = Path(places[0])
    return place if places[0] and place.exists() else None


def _files(name: str, *, data: bool = False) -> dict[str, Path]:
    """Return the files of code of a top-level package, with `data` what else lies in it, or the one of a module."""
    place = _location(name)
    if place is None or place.is_file():
        return {} if place is None else {place.name: place}
    inside = {path: path.relative_to(place) for path in place.rglob("*") if path.is_file()}
    return {
        f"{name}/{relative.as_posix()}": path
        for path, relative in inside.items()
        if is_code(path) or (data and not _is_left_behind(relative))
    }


def _is_left_behind(path: Path) -> bool:
    """Whether a file of a package is what Python, an editor or the package itself left there, not what it ships."""
    hidden = any(part.startswith((".", "__pycache__")) for part in path.parts)
    return hidden or path.suffix in _LEFT_BEHIND or path.name.endswith("~")


def _is_loose(name: str) -> bool:
    """Whether a top-level name lies in a folder of somebody's own: no library's, whose version tells of changes."""
    if name in sys.stdlib_module_names:
        return False
    place = _location(name)
    if place is None or LIBRARY_FOLDERS & set(place.resolve().parts):
        return False
    return not any(place.resolve().is_relative_to(library) for library in _STANDARD)
