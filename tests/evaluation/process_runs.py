"""Runs of the command line in several processes with two simulated devices each."""

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


KILLED = Path(__file__).with_name("killed_process.py")


class ProcessRun:
    """`jaxeval ARGUMENTS --distributed` in so many processes; `arguments` may differ from one to the next.

    Args:
      arguments: of each process.
      places: where each is killed (see `killed_process`), or `absent` for one that never comes.
    """

    def __init__(self, arguments: Sequence[Sequence[str]], places: Sequence[str] | None = None):
        self._environment = {
            **os.environ,
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
            "JAX_PLATFORMS": "cpu",
        }
        count = len(arguments)
        self._joining = ["--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", str(count)]
        self._arguments = arguments
        self.processes: list[subprocess.Popen[str]] = []
        for index, place in enumerate(["nowhere"] * count if places is None else places):
            if place != "absent":
                self.start(index, place)

    def start(self, index: int, place: str = "nowhere") -> None:
        """Starts the process of that number."""
        program = ["-m", "jaxeval"] if place == "nowhere" else [str(KILLED), place]
        self.processes.append(
            subprocess.Popen(
                [sys.executable, *program, *self._arguments[index], *self._joining, "--process-id", str(index)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self._environment,
            )
        )

    def finish(self) -> list[tuple[int, str, str]]:
        """Exit code, stdout and stderr of each."""
        try:
            printed = [process.communicate(timeout=300) for process in self.processes]
        finally:
            self.kill()
        return [(process.returncode, *texts) for process, texts in zip(self.processes, printed, strict=True)]

    def kill(self) -> None:
        """SIGKILL to all."""
        for process in self.processes:
            process.kill()

    def kill_at(self, folder: Path, saves: int, rng: random.Random) -> bool:
        """SIGKILL to all some moments after the newest checkpoint is number `saves`; False if they ended before."""
        while not any(int(path.name) >= saves for path in folder.glob("*/[0-9]*") if path.name.isdecimal()):
            if self.processes[0].poll() is not None:
                return False
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        self.kill()
        for process in self.processes:
            process.communicate()
        return True
