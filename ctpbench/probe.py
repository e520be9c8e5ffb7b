"""Import strangers' modules in processes of their own first: what ends, hangs or aborts there takes nobody with it.

A module that came back from its import once is not tried again until a file of its package changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

LONGEST_S = 60.0
"""How long an import may take."""
_PROGRAM = """
import importlib, json, os, sys
sys.path[:] = json.loads(sys.argv[2])
word = "back"
try:
    importlib.import_module(sys.argv[1])
except KeyboardInterrupt:
    word = "interrupted"
except BaseException:
    pass
os.write(1, f"{sys.argv[3]} {word}".encode())
os._exit(0)
"""


@dataclass(frozen=True)
class _Trial:
    """An import that is being tried; the process writes `token` where it comes back from it."""

    module: str
    token: str
    process: subprocess.Popen[bytes]


def harmful(modules: Iterable[str]) -> dict[str, str]:
    """Return the modules whose import would end, hold or interrupt this process, each with what it does.

    One that raises what can be caught is not among them: whoever imports it learns more.

    Parameters
    ----------
    modules : iterable of str
        Full names.
    """
    stamps = {module: _stamp(module) for module in modules}
    trials = [_begin(module) for module, stamp in stamps.items() if not stamp.exists()]
    ends_s = time.monotonic() + LONGEST_S
    found: dict[str, str] = {}
    try:
        for trial in trials:
            if fault := _fault(trial, ends_s - time.monotonic()):
                found[trial.module] = fault
            else:
                with suppress(OSError):  # without the stamp it is tried again the next time
                    stamps[trial.module].parent.mkdir(parents=True, exist_ok=True)
                    stamps[trial.module].touch()
    finally:
        for trial in trials:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(trial.process.pid, signal.SIGKILL)
            trial.process.communicate()
    return found


def _begin(module: str) -> _Trial:
    token = secrets.token_hex(8)
    command = [sys.executable, "-c", _PROGRAM, module, json.dumps(sys.path), token]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, start_new_session=True)
    return _Trial(module, token, process)


def _fault(trial: _Trial, most_s: float) -> str:
    """Wait for a trial and say what is wrong; nothing where it came back."""
    try:
        said, _ = trial.process.communicate(timeout=max(most_s, 0.1))
    except subprocess.TimeoutExpired:
        return f"its import takes longer than {LONGEST_S:g} s"
    code = trial.process.returncode
    if said.endswith(f"{trial.token} back".encode()):
        return ""
    if said.endswith(f"{trial.token} interrupted".encode()):
        return "its import raises KeyboardInterrupt"
    if code < 0:
        return f"its import ends the process by {signal.Signals(-code).name}"
    return f"its import ends the process with code {code}"


def _stamp(module: str) -> Path:
    """Return a file that says, where it exists, that a module came back, as it lies there now."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    about = json.dumps([module, sys.version, sys.prefix, files_of(module.partition(".")[0])])
    return Path(home) / "ctpbench" / "imports" / hashlib.sha256(about.encode()).hexdigest()[:32]


def files_of(top: str) -> list[tuple[str, int, int]]:
    """Return the Python files of a top-level package or module, each with its time and size."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or []]
    paths = [path for folder in folders for path in folder.rglob("*.py")] or [Path(spec.origin or "")]
    known = [(str(path), path.stat()) for path in sorted(paths) if path.is_file()]
    return [(name, about.st_mtime_ns, about.st_size) for name, about in known]
