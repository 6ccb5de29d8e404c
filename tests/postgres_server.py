"""A PostgreSQL server of the tests' own: its data in a temporary folder, reached by a socket in it and no other way."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg


def binaries() -> Path | None:
    """Where PostgreSQL's programs are: on the path, or where Debian keeps them; None where there are none."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return places[-1].parent if places else None


class Postgres:
    """A server that runs until it is stopped."""

    def __init__(self, programs: Path):
        self._programs = programs
        # Not a folder of pytest's, which are their owner's alone: the server is run by another user where this is root,
        # for whom it refuses to run.
        self.folder = Path(tempfile.mkdtemp(prefix="jaxeval-pg-"))
        self._before: list[str] = []
        if os.geteuid() == 0:
            user = next(name for name in ("postgres", "nobody") if _is_user(name))
            shutil.chown(self.folder, user)
            self._before = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
        self._run("initdb", ["-D", f"{self.folder}/data", "-U", "rater", "-A", "trust", "-E", "UTF8", "--no-sync"])
        self.start()
        self._count = 0

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=100"
        self._run("pg_ctl", ["-D", f"{self.folder}/data", "-o", options, "-l", f"{self.folder}/log", "-w", "start"])

    def stop(self, how: str = "fast") -> None:
        self._run("pg_ctl", ["-D", f"{self.folder}/data", "-m", how, "-w", "stop"])

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def database(self) -> str:
        """The URL of a new database."""
        self._count += 1
        name = f"study{self._count}"
        with psycopg.connect(host=str(self.folder), user="rater", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]
        return f"postgresql://rater@/{name}?host={self.folder}"

    def _run(self, program: str, arguments: Sequence[str]) -> None:
        # Its output goes to a file: the server that pg_ctl starts would keep a pipe open.
        with tempfile.TemporaryFile("w+") as said:
            command = [*self._before, str(self._programs / program), *arguments]
            done = subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, cwd="/", check=False)
            said.seek(0)
            assert done.returncode == 0, said.read()


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
