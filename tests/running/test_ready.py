"""What is made ready for methods is there when their process begins, and nothing of it is at work before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ctpbench import FrameDenoiser
from ctpbench.running import ready
from ctpbench.running.executors import opened
from ctpbench.running.executors.choice import HERE
from ctpbench.running.executors.protocol import Limits
from ctpbench.running.executors.terms import Terms
from ctpbench.running.host import Host
from ctpbench.running.identity import Wanted
from ctpbench.running.log import Log
from ctpbench.running.work import BuildTask, ComponentSpec
from ctpbench.settings import Resources
from tests.conftest import environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libraries are made ready on Linux alone")

FORKED = """
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Limits
with LocalExecutor(Limits(), {libraries!r}) as executor:
    words = "import sys; print(sorted({{'numba', 'torch'}} & sys.modules.keys()), flush=True)"
    process = executor._context.Process(target=exec, args=(words,))
    process.start()
    process.join()
"""
ALONE = """
import os, sys
from ctpbench.running import ready
__import__(*ready.modules([{library!r}]))
print({library!r} in sys.modules, len(os.listdir("/proc/self/task")))
"""
HEEDS = """
import os
from ctpbench.running import ready
ready.heed_environment()
__import__(*ready.modules(["numba"]))
import numba
os.environ["NUMBA_CACHE_DIR"] = "elsewhere"
ready.heed_environment()
print(numba.config.CACHE_DIR)
"""


def said(program: str) -> str:
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, env=environment() | one, text=True, check=True, stdout=subprocess.PIPE
    ).stdout.strip()


class Tells(FrameDenoiser):
    """Cannot be made, where it is told to say where its kernels are kept."""

    name, version = "tells", "1"

    def model_post_init(self, context):
        if "TELL" in os.environ:
            raise RuntimeError(sys.modules["numba"].config.CACHE_DIR)

    def denoise(self, frames, context):
        return frames


@pytest.mark.parametrize("libraries", [(), ("numba", "numpy"), ("torch", "numba")])
def test_what_components_import_is_there_before_their_process(libraries):
    assert said(FORKED.format(libraries=libraries)) == str(sorted({"numba", "torch"} & {*libraries}))


@pytest.mark.parametrize("library", ["numba", "torch"])
def test_nothing_of_it_is_started(library):
    """A thread would not be there in the processes that are forked."""
    assert said(ALONE.format(library=library)) == "True 1"


def test_where_kernels_are_kept_is_each_process_own():
    assert said(HEEDS) == "elsewhere"


def test_a_guest_keeps_kernels_where_it_is_told(tmp_path):
    import numba  # as where it was made ready

    assert numba.config.CACHE_DIR != "there"
    spec = ComponentSpec.of(Tells())
    with Host(tmp_path, None, {"NUMBA_CACHE_DIR": "there", "TELL": "1"}, "cpu", 1) as host, Log(tmp_path / "l") as log:
        given = BuildTask(component=spec), {}, host.home, log, lambda fraction, text: None
        outcome, _ = host.ask("key", *given)
    assert outcome.message == "RuntimeError: there"


def test_the_executor_here_makes_ready_what_the_suite_needs(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(opened, "LocalExecutor", lambda *given: made.append(given))
    wanted = Wanted(modules=(), libraries=("numba", "numpy"))
    terms = Terms(Resources(device="cpu"), True, False, wanted, tmp_path)
    opened.opened(HERE, terms, Limits(), 1, print)
    assert made == [(Limits(), ("numba", "numpy"))]


def test_a_library_that_is_broken_breaks_nothing_but_what_needs_it(tmp_path):
    (tmp_path / "numba.py").write_text("raise OSError('on purpose')")
    program = "from ctpbench.running import ready; __import__(*ready.modules(['numba'])); print('on')"
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, env=environment() | {"PYTHONPATH": path}, check=True, stdout=subprocess.PIPE).stdout
    assert ready.modules(["numpy", "unheard-of"]) == []
