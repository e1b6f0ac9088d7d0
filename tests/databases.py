"""Real MariaDB and PostgreSQL servers, as Home Assistant's recorder may use them.

``HPH_MARIADB`` and ``HPH_POSTGRESQL`` name ``mariadbd`` and ``postgres`` (the environment,
``.tools.env``, PATH, or where Debian puts them; unpacked packages will do). The drivers are those
of Home Assistant's own image: PyMySQL and psycopg2. What lacks is told in :class:`MissingError`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
import itertools
import os
from pathlib import Path
import shutil
import subprocess
import tempfile
from typing import Final

from sqlalchemy import create_engine, text

from .servers import HOST, Server, find_program

NAMES: Final = ("mariadb", "postgresql")
_NOBODY: Final = 65534
_numbers: Final = itertools.count(1)


class MissingError(Exception):
    """A server or its driver is not installed."""


def _program(variable: str, name: str, *places: str) -> Path:
    try:
        return find_program(variable, name)
    except FileNotFoundError:
        found = [path for place in places for path in sorted(Path("/").glob(place))]
        if not found:
            raise MissingError(
                f"{name} is not installed, and {variable} does not name it"
            ) from None
        return found[-1]


def _needs(driver: str) -> None:
    if find_spec(driver) is None:
        raise MissingError(f"The driver {driver} is not installed")


def _environment(program: Path) -> dict[str, str]:
    """Return an environment in which a program of an unpacked package finds its libraries."""
    root = program.parent.parent
    folders = [
        str(path) for path in (*root.glob("lib/*-linux-gnu*"), *root.glob("../lib/*-linux-gnu*"))
    ]
    if root == Path("/usr"):
        return dict(os.environ)
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}


def _as_nobody(folder: Path) -> list[str]:
    """Return what is put before a command that must not run as root."""
    if os.geteuid() != 0:
        return []
    os.chown(folder, _NOBODY, _NOBODY)
    return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]


def _mariadb(folder: Path) -> tuple[Server, str]:
    _needs("pymysql")
    program = _program("HPH_MARIADB", "mariadbd", "usr/sbin/mariadbd")
    root = program.parent.parent
    environment = _environment(program)
    data = folder / "data"
    subprocess.run(
        [
            root / "bin/mariadb-install-db", "--no-defaults", f"--basedir={root}",
            f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db",
            *(["--user=root"] if os.geteuid() == 0 else []),
        ],
        check=True, capture_output=True, env=environment,
    )  # fmt: skip
    server = Server(
        program,
        [
            "--no-defaults", f"--datadir={data}", f"--bind-address={HOST}",
            "--port={port}", f"--socket={folder}/socket", f"--pid-file={folder}/pid",
            f"--lc-messages-dir={root}/share/mysql", "--innodb-flush-log-at-trx-commit=0",
            "--skip-name-resolve", *(["--user=root"] if os.geteuid() == 0 else []),
        ],
        folder / "log", environment,
    )  # fmt: skip
    return server, "mysql+pymysql://root@{host}:{port}/{name}?charset=utf8mb4"


def _postgresql(folder: Path) -> tuple[Server, str]:
    _needs("psycopg2")
    program = _program("HPH_POSTGRESQL", "postgres", "usr/lib/postgresql/*/bin/postgres")
    prefix = _as_nobody(folder)
    environment = _environment(program)
    data = folder / "data"
    subprocess.run(
        [
            *prefix, program.with_name("initdb"), "-D", data, "-U", "root", "--auth=trust",
            "--no-sync", "-E", "UTF8", "--locale=C",
        ],
        check=True, capture_output=True, env=environment,
    )  # fmt: skip
    first, *rest = [*prefix, str(program), "-D", str(data), "-h", HOST, "-p", "{port}", "-F"]
    arguments = [*rest, "-k", str(folder)]
    server = Server(Path(shutil.which(first) or first), arguments, folder / "log", environment)
    return server, "postgresql://root@{host}:{port}/{name}"


class Database:
    """A running server, on which each test has a database of its own."""

    def __init__(self, server: Server, url: str) -> None:
        """Use a server that runs."""
        self._server = server
        self._url = url

    def url(self, name: str) -> str:
        """Return the address of a database."""
        return self._url.format(host=HOST, port=self._server.port, name=name)

    @contextmanager
    def one(self) -> Iterator[str]:
        """Make an empty database, and give its address."""
        name = f"hub_{next(_numbers)}"
        postgresql = self._url.startswith("postgresql")
        admin = create_engine(
            self.url("postgres" if postgresql else "mysql"), isolation_level="AUTOCOMMIT"
        )
        with admin.connect() as connection:
            letters = "" if postgresql else " CHARACTER SET utf8mb4"
            connection.execute(text(f"CREATE DATABASE {name}{letters}"))
        try:
            yield self.url(name)
        finally:
            with admin.connect() as connection:
                connection.execute(text(f"DROP DATABASE {name}"))
            admin.dispose()


@contextmanager
def running(name: str) -> Iterator[Database]:
    """Start a server in a folder of its own. Raises :class:`MissingError`."""
    folder = Path(tempfile.mkdtemp(prefix=f"hub-{name}-"))
    try:
        server, url = (_mariadb if name == "mariadb" else _postgresql)(folder)
        server.start()
        try:
            yield Database(server, url)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
