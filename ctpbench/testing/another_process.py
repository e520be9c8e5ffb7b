"""What a dataset answers in another process, where ``hash`` of text and the order of sets are others.

The harness loads each case in a process of its own, so what differs between processes differs from run to run. The
component goes there as the harness carries it, as module, name and parameters; hashes of what it loads come back.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import reduce
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, TypeAlias, cast

import numpy as np
import xarray as xr

from ctpbench.contract.case import TRUTH_PARTS, Case
from ctpbench.contract.components import SPLITS, Dataset
from ctpbench.testing.check import reason

Step: TypeAlias = tuple[str, str | None, list[str]]
"""A module or package: its name, its file, and a package's folders."""

ANSWERING = "CTPBENCH_TESTING_ANSWERS"
"""Set in the environment of the other process, which must not start a third."""
MAIN = "__checked_main__"
"""What the program that was started is called in the other process, which has a ``__main__`` of its own."""

_PROGRAM = """
import json, sys
request = json.load(sys.stdin)
sys.path[:] = request["path"]
from ctpbench.testing import another_process
another_process.reply(request)
"""


def ask(dataset: Dataset, cases: Sequence[tuple[str, float | None]]) -> dict[str, Any]:
    """Make a dataset in another process, with another seed of ``hash``, and return what it answers there.

    Parameters
    ----------
    dataset : Dataset
    cases : sequence of (case id, noise)
        The cases to be loaded.

    Returns
    -------
    dict
        ``cases``, the ids by split; ``patients``, whose each case is; ``fingerprint``; ``parts``, for each case asked
        for what `part_hashes` returns.

    Raises
    ------
    AssertionError
        Where the dataset cannot be made in another process, so that the harness could not load it either, or it
        raises there.
    """
    kind = type(dataset)
    label, allowed = kind.__qualname__, "a class that another process can import from a module's file"
    if "<locals>" in label:
        raise AssertionError(f"{label}: got a class within a function; allowed: {allowed}")
    if ANSWERING in os.environ:
        raise AssertionError(
            f"{label}: got a program that runs its checks when it is imported; "
            f"allowed: {allowed}, and calls under if __name__ == '__main__'"
        )
    chain = _module_chain(kind.__module__)
    if kind.__module__ == "__main__" and chain[-1][1] is None:
        raise AssertionError(f"{label}: got a class of a program without a file; allowed: {allowed}")
    answer = _run(
        {
            "path": [entry for entry in sys.path if isinstance(entry, str)],
            "modules": chain,
            "qualname": label,
            "parameters": dataset.model_dump(mode="json"),
            "cases": list(cases),
        }
    )
    if "error" in answer:
        raise AssertionError(f"{label}, in another process: got {answer['error']}; allowed: what is here, of {allowed}")
    return answer


def part_hashes(case: Case) -> dict[str, str]:
    """Return a hash of each part of a case, of its arrays over values, coordinates, names and attributes."""
    parts = {"frames": _array_hash(case.observation.frames)}
    for name in TRUTH_PARTS:
        array = getattr(case.truth, name, None)
        if array is not None:
            parts[f"truth.{name}"] = _array_hash(array)
    if case.inspection is not None:
        parts["inspection"] = hashlib.sha256(_text(dict(case.inspection))).hexdigest()
    return parts


def patients(dataset: Dataset) -> dict[str, str]:
    """Return whose each case is, by its id."""
    return {case_id: dataset.patient(case_id) for split in SPLITS for case_id in dataset.cases(split)}


def reply(request: Mapping[str, Any]) -> None:
    """Answer a request of `ask` in the process that it started, in a file: what is printed is the dataset's own."""
    answer: dict[str, Any]
    try:
        dataset = _made(request)
        answer = {
            "cases": {split: list(dataset.cases(split)) for split in SPLITS},
            "fingerprint": dataset.fingerprint(),
            "patients": patients(dataset),
            "parts": [part_hashes(dataset.load(case_id, noise)) for case_id, noise in request["cases"]],
        }
    except BaseException as error:  # SystemExit included: the module may be a program
        answer = {"error": reason(error)}
    Path(request["to"]).write_text(json.dumps(answer), encoding="utf-8")


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Let another process reply to a request and return the answer."""
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    with TemporaryDirectory() as folder:
        to = Path(folder, "answer.json")
        ended = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            input=json.dumps({**request, "to": str(to)}),
            env={**os.environ, "PYTHONHASHSEED": seed, ANSWERING: "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if to.exists():
            answer: dict[str, Any] = json.loads(to.read_text(encoding="utf-8"))
            return answer
    lines = [f"its end with status {ended.returncode}", *ended.stderr.strip().splitlines()[-1:]]
    return {"error": ": ".join(lines)}


def _module_chain(name: str) -> list[Step]:
    """Return where a module and the packages above it are found."""
    module = sys.modules.get(name)
    if name == "__main__" and (spec := getattr(module, "__spec__", None)):
        name = spec.name  # as `python -m NAME` started it
    names = name.split(".")
    chain: list[Step] = []
    for n in range(1, len(names) + 1):
        step = ".".join(names[:n])
        found = module if n == len(names) else sys.modules.get(step)
        folders = [str(folder) for folder in getattr(found, "__path__", ())]
        chain.append((MAIN if step == "__main__" else step, getattr(found, "__file__", None), folders))
    return chain


def _made(request: Mapping[str, Any]) -> Dataset:
    """Import a component's class and make it."""
    modules = [_imported(name, file, folders) for name, file, folders in request["modules"]]
    kind = reduce(getattr, request["qualname"].split("."), modules[-1])
    return cast(type[Dataset], kind)(**request["parameters"])


def _imported(name: str, file: str | None, folders: list[str]) -> ModuleType:
    """Import a module by its name, or from its file where the name leads nowhere or elsewhere, as a test's may."""
    if name in sys.modules and file in (None, getattr(sys.modules[name], "__file__", None)):
        return sys.modules[name]
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and file in (None, spec.origin):
        return import_module(name)
    if file is None:
        module = sys.modules[name] = ModuleType(name)
        module.__path__ = folders
        return module
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders or None)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file}: got a file that Python cannot import; allowed: a module")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _array_hash(array: xr.DataArray) -> str:
    """Return the SHA-256 over an array and its coordinates."""
    digest = hashlib.sha256()
    for part in (array, *(array.coords[name] for name in sorted(array.coords, key=str))):
        values = part.values
        head = [part.name, part.dims, str(values.dtype), values.shape, part.attrs]
        digest.update(_text(head))
        digest.update(_text(values) if values.dtype.hasobject else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _text(value: object) -> bytes:
    def plain(part: object) -> object:
        return part.tolist() if isinstance(part, np.ndarray | np.generic) else str(part)

    return json.dumps(value, sort_keys=True, default=plain).encode()
