"""What code an answer depends on: hashes over parsed modules, and the libraries that these compute with.

A module is hashed as it is parsed, without docstrings: an edit of a comment or of a docstring changes no hash. Which
modules belong to a piece of work is read off their imports, without running any.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ctpbench.distributions import distribution_of, requirements, top_level_names, versions
from ctpbench.errors import PluginError
from ctpbench.public import HOME

CORE = Path(__file__).parent
NUMERIC = {
    "cupy": "cupy",
    "cv2": "opencv-python-headless",
    "jax": "jax",
    "nibabel": "nibabel",
    "numba": "numba",
    "numpy": "numpy",
    "pydicom": "pydicom",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "tensorflow": "tensorflow",
    "torch": "torch",
}
"""Libraries whose version may change an answer: the name that is imported, and the distribution's."""
_NO_SOURCE = {"__pycache__", ".ipynb_checkpoints"}
_LIBRARY_FOLDERS = {"site-packages", "dist-packages"}
_hashed: dict[Path, str] = {}
_STANDARD = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))


def digest(*parts: Any) -> str:
    """Return a content key: 32 hex digits over plain data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, allow_nan=False, default=str).encode()).hexdigest()[:32]


@cache
def core_hash(*modules: str) -> str:
    """Return a hash over modules of the core and all of the core that they import, directly or not.

    Parameters
    ----------
    modules : str
        Full names, such as ``"ctpbench.running.stages.data"``.
    """
    return digest([(name, tree_hash(_core_file(name))) for name in sorted(core_closure(modules))])


@cache
def component_hash(cls: type) -> str:
    """Return a hash over the code that a component's class runs.

    That is every file of its top-level package, or its one module; whatever of the same distribution or of a folder
    that is no library's it imports, such as a helper module beside it; and the modules of the core that all of this
    imports.

    Raises
    ------
    PluginError
        Where it was read from no file, so that no change could ever be noticed.
    """
    names = _own_names(cls)
    files = [(name, file) for name in names for file in _files(name)]
    own = [(f"{name}/{_relative(name, file)}", tree_hash(file)) for name, file in files]
    return digest(sorted(own), core_hash(*sorted(_core_imports(file for _, file in files))))


@cache
def component_libraries(cls: type) -> tuple[str, ...]:
    """Return the distributions among `NUMERIC` that a component imports or that its distribution requires."""
    files = [file for name in _own_names(cls) for file in _files(name) if file.suffix == ".py"]
    imported = {NUMERIC[top] for file in files for top in _tops(_imports(file)) if top in NUMERIC}
    required = requirements(distribution_of(cls)[0]) & set(NUMERIC.values())
    return tuple(sorted(versions(imported | required)))


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
    for known in (core_hash, component_hash, component_libraries, _own_names, _location):
        known.cache_clear()
    _hashed.clear()


def edited() -> list[Path]:
    """Return the files whose code is no longer what the hashes of this process say: edited or gone since."""
    return [file for file, known in _hashed.items() if not file.is_file() or _tree_hash(file, *_stamp(file)) != known]


def tree_hash(file: Path) -> str:
    """Return a hash of a Python file's parsed tree without docstrings, of any other file's bytes.

    A Python file that cannot be parsed counts by its bytes.
    """
    found = _tree_hash(file, *_stamp(file))
    _hashed.setdefault(file, found)
    return found


@cache
def _tree_hash(file: Path, size: int, changed_ns: int) -> str:
    content = file.read_bytes()
    if file.suffix == ".py":
        with suppress(SyntaxError, ValueError):
            content = ast.dump(_without_docstrings(ast.parse(content))).encode()
    return hashlib.sha256(content).hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """Return the tree without statements that are nothing but a text: docstrings, of attributes too."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
    return tree


def _is_text(line: ast.AST) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


# -- what a file imports --------------------------------------------------------------------------------------------


Imports = tuple[tuple[str, tuple[str, ...]], ...]


def _imports(file: Path) -> Imports:
    """Return what a Python file imports: modules with the names taken from them; relative ones begin with dots."""
    return _read_imports(file, *_stamp(file))


def _stamp(file: Path) -> tuple[int, int]:
    """Return what tells that a file has changed since it was read."""
    found = file.stat()
    return found.st_size, found.st_mtime_ns


@cache
def _read_imports(file: Path, size: int, changed_ns: int) -> Imports:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return ()
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in _run(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(("." * node.level + (node.module or ""), tuple(alias.name for alias in node.names)))
    return tuple(found)


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a tree's nodes but for those that only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for line in child.orelse:
                yield from _run(line)
        else:
            yield from _run(child)


def _tops(imports: Imports) -> set[str]:
    return {module.partition(".")[0] for module, _ in imports if not module.startswith(".")}


def _core_imports(files: Iterable[Path]) -> set[str]:
    """Return the modules of the core that files import; of public names of `ctpbench` those that they come from."""
    found: set[str] = set()
    for file in files:
        for module, names in _imports(file) if file.suffix == ".py" else ():
            if module.partition(".")[0] != "ctpbench":
                continue
            found.update(_with_packages(module))
            if module == "ctpbench" and (not names or "*" in names):  # which of the public names it uses is not seen
                names = tuple(HOME)
            for name in names:
                public = module == "ctpbench" and name in HOME
                inner = f"ctpbench.{HOME[name]}" if public else f"{module}.{name}"
                if _is_core_module(inner):
                    found.update(_with_packages(inner))
    return found


def _with_packages(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]


def _is_core_module(module: str) -> bool:
    return _core_path(module).is_dir() or _core_path(module).with_suffix(".py").is_file()


def _core_path(module: str) -> Path:
    return CORE.joinpath(*module.split(".")[1:])


def _core_file(module: str) -> Path:
    path = _core_path(module)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


# -- what belongs to a component ------------------------------------------------------------------------------------


@cache
def _own_names(cls: type) -> tuple[str, ...]:
    """Return the top-level names that a class's code consists of, its own first."""
    top = cls.__module__.partition(".")[0]
    if not _files(top):
        raise PluginError(f"module {cls.__module__!r}: was read from no file; put the component into one")
    recorded = top_level_names(distribution_of(cls)[0])
    found = [top]
    for name in found:  # grows on the way
        tops = {t for file in _files(name) if file.suffix == ".py" for t in _tops(_imports(file))}
        found += sorted(t for t in tops - {*found, "ctpbench"} if t in recorded or _is_loose(t))
    return tuple(found)


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


def _files(name: str) -> list[Path]:
    """Return all files of a top-level package, those that Python made left out, or the one of a module."""
    place = _location(name)
    if place is None or place.is_file():
        return [] if place is None else [place]
    inside = (path for path in place.rglob("*") if not _NO_SOURCE & set(path.parts) and path.is_file())
    return sorted(path for path in inside if path.suffix != ".pyc")


def _relative(name: str, file: Path) -> str:
    place = _location(name)
    return file.relative_to(place).as_posix() if place is not None and place.is_dir() else file.name


def _is_loose(name: str) -> bool:
    """Whether a top-level name lies in a folder of somebody's own: no library's, whose version tells of changes."""
    if name in sys.stdlib_module_names:
        return False
    place = _location(name)
    if place is None or _LIBRARY_FOLDERS & set(place.resolve().parts):
        return False
    return not any(place.resolve().is_relative_to(library) for library in _STANDARD)
