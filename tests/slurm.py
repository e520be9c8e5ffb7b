"""SLURM on this machine alone, from Debian's packages slurm-wlm and munge: for a test, or to try a file by hand.

python tests/slurm.py squeue        # runs a command with SLURM there, and ends it after it
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_WITHIN_S = 30.0
_CONF = """
ClusterName=ctpbench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def lacking() -> str:
    """Return why SLURM cannot be started here, nothing where it can."""
    if os.geteuid() != 0:
        return "SLURM's daemons are started by root alone"
    missing = [name for name in ("munged", "mungekey", "slurmctld", "slurmd", "sinfo") if _program(name) is None]
    return f"not installed: {', '.join(missing)} (Debian's slurm-wlm and munge)" if missing else ""


@contextmanager
def slurm() -> Iterator[dict[str, str]]:
    """Start SLURM with this machine as its one node; yield the environment in which its commands find it.

    Raises
    ------
    RuntimeError
        Where it does not come up, with the end of its logs.
    """
    folder = Path(tempfile.mkdtemp(prefix="ctpbench-slurm-"))
    folder.chmod(0o755)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    started: list[subprocess.Popen[bytes]] = []
    try:
        (folder / "slurm.conf").write_text(
            _CONF.format(
                folder=folder, host=socket.gethostname(), controller=_port(), daemon=_port(), cores=os.cpu_count()
            )
        )
        for name in ("state", "spool"):
            (folder / name).mkdir()
        started.append(_munge(folder))
        _wait_for(lambda: (folder / "munge/socket").exists(), folder)
        for words in (["slurmctld", "-D"], ["slurmd", "-D", "-N", socket.gethostname()]):
            program = _program(words[0])
            assert program is not None
            with (folder / f"{words[0]}.out").open("wb") as log:
                started.append(subprocess.Popen([program, *words[1:]], env=environment, stdout=log, stderr=log))
        _wait_for(lambda: _idle(environment), folder)
        yield environment
    finally:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scancel", "--full", "--state=RUNNING"], env=environment, timeout=10, check=False)
        for process in reversed(started):
            process.terminate()
        for process in started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _munge(folder: Path) -> subprocess.Popen[bytes]:
    """Start the service by which SLURM's processes know each other, with a key of its own."""
    own = folder / "munge"
    own.mkdir()
    _run([str(_program("mungekey")), "--create", "--keyfile", str(own / "key")])
    shutil.chown(own, "munge", "munge")
    shutil.chown(own / "key", "munge", "munge")
    own.chmod(0o755)
    places = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    options = [f"--{option}={own / name}" for option, name in places.items()]
    command = [str(_program("munged")), "--foreground", *options]
    return subprocess.Popen(command, user="munge", group="munge", stderr=subprocess.DEVNULL)


def _idle(environment: Mapping[str, str]) -> bool:
    done = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "idle"


def _wait_for(condition, folder: Path) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            ends = [f"{path.name}: {path.read_text(errors='replace')[-600:]}" for path in folder.glob("*.log")]
            raise RuntimeError("SLURM did not come up:\n" + "\n".join(ends))
        time.sleep(0.1)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> int:
    """Run the command that is given with SLURM there."""
    if why := lacking():
        print(why, file=sys.stderr)
        return 2
    with slurm() as environment:
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
