"""Find a PostgreSQL for the tests, or install one: `python -m tests.postgres`; and serve databases from it.

What is on the PATH comes first, then Debian's places, then Debian's package where apt and root are there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

PATIENCE = 60.0  # seconds until a server that does not answer counts as broken
DEBIAN = Path("/usr/lib/postgresql")
# What is lost when this machine fails does not matter here; what is lost when the server is killed would.
QUICK = ("fsync=off", "full_page_writes=off")


def programs() -> Path | None:
    """The folder of initdb and postgres, or None."""
    found = shutil.which("initdb")
    if found and shutil.which("postgres", path=str(Path(found).parent)):
        return Path(found).parent
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


class Postgres:
    """A server of this machine alone, whose databases are reached with a password; ended with `close`."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None, "there is no PostgreSQL; `python -m tests.postgres` installs one"
        self._programs, self.password = found, secrets.token_urlsafe(12)
        # The server refuses to run as root, and pytest's folders can be entered by nobody else.
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="lstm-lab-postgres-"))
        self._data, self.log = self._folder / "data", self._folder / "log"
        password = self._folder / "password"
        password.write_text(self.password)
        if self._user:
            shutil.chown(self._folder, self._user)
            shutil.chown(password, self._user)
        self._call("initdb", "-D", self._data, "-U", "lab", "-A", "scram-sha-256", "--pwfile", password, "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Serve at the same address as before, and wait until that is so."""
        settings = ("listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories=", *QUICK)
        options = [word for setting in settings for word in ("-c", setting)]
        with self.log.open("ab") as out:
            command = [self._programs / "postgres", "-D", self._data, *options]
            self._process = subprocess.Popen(command, stdout=out, stderr=out, user=self._user, cwd=self._folder)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._do("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise AssertionError(f"PostgreSQL does not answer:\n{self.log.read_text()}") from error
                time.sleep(0.05)

    def stop(self, force: bool = False) -> None:
        """End the server, and with it every connection; with `force` as a crash would."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT if force else signal.SIGINT)
        self._process.wait(PATIENCE)
        self._process = None

    def close(self) -> None:
        self.stop(force=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        """The address of a database, as LSTM_LAB_DATABASE takes it."""
        return f"postgresql+psycopg://lab:{self.password}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The address of a new, empty database, which is removed afterwards."""
        name = f"lab_{secrets.token_hex(4)}"
        self._do(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with psycopg.connect(self.url().replace("+psycopg", ""), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement.encode())

    def _call(self, program: str, *arguments: str | Path) -> None:
        command = [self._programs / program, *arguments]
        done = subprocess.run(command, capture_output=True, user=self._user, cwd=self._folder, check=False)
        assert done.returncode == 0, done.stderr.decode()


@contextlib.contextmanager
def serving() -> Iterator[Postgres]:
    """A server for as long as the block lasts."""
    server = Postgres()
    try:
        yield server
    finally:
        server.close()


def main() -> int:
    """Install PostgreSQL if there is none; the exit status of the command that did it."""
    if programs():
        return 0
    if not shutil.which("apt-get") or os.geteuid() != 0:
        print("The tests need PostgreSQL: install it, so that initdb and postgres are on the PATH.", file=sys.stderr)
        return 1
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=False, env=quiet)
    return subprocess.run(["apt-get", "install", "-y", "-qq", "postgresql"], check=False, env=quiet).returncode


if __name__ == "__main__":
    sys.exit(main())
