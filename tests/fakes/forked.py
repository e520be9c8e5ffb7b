"""A command in a process that the server of a session's runs forks, which spares it an interpreter's start."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import forkserver, resource_tracker


def command(words: list[str]) -> None:
    """Run a command of ctpbench in silence; its own children come from the server that forked this process."""
    from ctpbench.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    # The server runs already; `ensure_running` of a process that did not start it would start a second one.
    forkserver._forkserver.ensure_running = resource_tracker.ensure_running
    sys.argv = ["ctpbench", *words]
    main(words, prog_name="ctpbench")
