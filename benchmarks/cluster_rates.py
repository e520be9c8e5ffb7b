"""What an item costs on a Dask cluster beside its own work: ``python -m benchmarks.cluster_rates 1000 10000``.

A scheduler and a worker, each a process of its own, and items that end at once on the worker: what is left is the way
there and back, short items bundled as in a run. Printed are items a second, processor time of an item and the most
memory, for the runner's process, the scheduler's and the worker's, beside as many bare tasks of Dask (10,000 at most)
through the same scheduler and worker.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from distributed import Client

from ctpbench.running.executors import dask_worker
from ctpbench.running.executors.answer import Answer
from ctpbench.running.executors.cluster import Request
from ctpbench.running.executors.dask import DaskExecutor
from ctpbench.running.executors.dask_worker import Commission
from ctpbench.running.executors.protocol import Ended
from ctpbench.running.executors.terms import Terms
from ctpbench.running.identity import Wanted
from ctpbench.running.work import Assignment, ComponentSpec, DataInfo, DataTask, Item, Outcome
from ctpbench.settings import Resources

_WINDOW = 4  # bare tasks under way, for each thread of the worker
_MOST_BARE = 10_000
"""Bare tasks: more would take long and tell the same."""
_SPEC = ComponentSpec(module="m", qualname="Q", name="none", version="1", params={}, code="c", libraries={})
_DONE = Outcome(status="ok", info=DataInfo())


def dask_setup(worker: object) -> None:
    """Let items end at once on a worker that is started with this file as its preload."""

    def nothing(commission: str) -> str:
        order = Commission.model_validate_json(commission).order
        done = {assignment.item.key: _DONE for assignment in order.assignments}
        return Answer(fate="over", done=done, files=[], took_s=dict.fromkeys(done, 0.0)).model_dump_json()

    dask_worker.work = nothing


@contextmanager
def cluster(folder: Path, threads: int) -> Iterator[tuple[str, list[psutil.Process]]]:
    """Yield a scheduler's address, and the processes of the scheduler and of its worker."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ["dask_scheduler", "--port", port, "--host", "127.0.0.1", "--no-dashboard"]
    worker = ["dask_worker", address, "--no-nanny", "--nthreads", str(threads), "--no-dashboard", "--preload", __file__]
    started: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "log").open("wb") as log:
            for name, *words in (scheduler, [*worker, "--local-directory", str(folder)]):
                command = [sys.executable, "-m", f"distributed.cli.{name}", *words]
                started.append(subprocess.Popen(command, stdout=log, stderr=log))
        yield address, [psutil.Process(each.pid) for each in started]
    finally:
        for each in started:
            each.kill()
            each.wait()


class Meter:
    """Processor time and the most memory of processes, while it is used as a context."""

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        self._processes = processes
        self.peaks_mib = [0.0] * len(processes)
        self._over = threading.Event()

    def __enter__(self) -> Meter:
        self.start()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def start(self) -> None:
        """Begin to count, anew."""
        self._before = [self._cpu_s(each) for each in self._processes]
        self._began = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds = time.perf_counter() - self._began
        self.cpu_s = [self._cpu_s(each) - before for each, before in zip(self._processes, self._before, strict=True)]
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            sizes = [each.memory_info().rss / 2**20 for each in self._processes]
            self.peaks_mib = [max(pair) for pair in zip(self.peaks_mib, sizes, strict=True)]

    @staticmethod
    def _cpu_s(process: psutil.Process) -> float:
        times = process.cpu_times()
        return float(times.user + times.system)


def items(executor: DaskExecutor, folder: Path, count: int) -> None:
    """Run so many items, each a batch."""
    places = {name: folder / name for name in ("out", "scratch", "checkpoints", "log")}
    left, ended = iter(range(count)), 0
    while ended < count:
        while executor.running < executor.slots and (number := next(left, None)) is not None:
            task = DataTask(dataset=_SPEC, case="a", noise=1.0)
            executor.submit([Assignment(item=Item(key=str(number), task=task, label=str(number)), inputs={}, **places)])
        ended += sum(isinstance(event, Ended) for event in executor.events())


def bare(address: str, count: int, window: int, meter: Meter) -> None:
    """Run so many tasks of Dask that do nothing."""

    async def run() -> None:
        async with Client(address, asynchronous=True, set_as_default=False) as client:
            await client.wait_for_workers(1)
            left = iter(range(count))
            meter.start()

            async def one_after_the_other() -> None:
                for number in left:
                    await client.submit(len, str(number), key=f"bare-{os.getpid()}-{count}-{number}", pure=False)

            await asyncio.gather(*(one_after_the_other() for _ in range(window)))

    asyncio.run(run())


def main(counts: Sequence[int], threads: int = 2) -> None:
    who = "runner | scheduler | worker"
    print(f"| what | items | items/s | CPU ms an item: {who} | peak MiB: {who} |")
    print("|---|---|---|---|---|---|---|---|---|")
    for count in counts:
        for what in ("bare Dask", "ours"):
            if what == "bare Dask" and count > _MOST_BARE:
                continue
            with tempfile.TemporaryDirectory() as name, cluster(Path(name), threads) as (address, others):
                folder = Path(name)
                terms = Terms(Resources(device="cpu", threads=1), True, False, Wanted(modules=(), libraries=()), folder)
                request = Request("--scheduler", address)
                if what == "bare Dask":
                    with (meter := Meter([psutil.Process(), *others])):
                        bare(address, count, _WINDOW * threads, meter)
                else:
                    with DaskExecutor(request, terms, print) as executor:
                        executor.hold()
                        with Meter([psutil.Process(), *others]) as meter:
                            items(executor, folder, count)
            cpu = " | ".join(f"{1000 * each / count:.2f}" for each in meter.cpu_s)
            peaks = " | ".join(f"{each:.0f}" for each in meter.peaks_mib)
            print(f"| {what} | {count} | {count / meter.seconds:.0f} | {cpu} | {peaks} |", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1000])
