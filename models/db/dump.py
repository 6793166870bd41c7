"""A whole database as one file, taken while others write: SQLite's online backup, PostgreSQL's pg_dump.

Both see one moment: what was committed by then, whole, and nothing of what came after.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import which

import sqlalchemy as sa

from llmcoder.errors import Refused
from models.db.database import BUSY_TIMEOUT_S, safe_sqlite


class DumpError(Refused):
    """The database could not be copied; the detail says what to do."""


def dump(url: sa.URL, to: Path, pg_dump: Path | None) -> None:
    """Write the database to a file that does not exist yet.

    Args:
        pg_dump: The program for PostgreSQL; looked for on the PATH when None.

    Raises:
        DumpError: The database or the program cannot be used, or the copy is damaged.
    """
    if url.get_backend_name() == "sqlite":
        _dump_sqlite(Path(url.database or ""), to)
    else:
        run_postgres(url, "pg_dump", pg_dump, ["--format=custom", "--no-owner", "--no-privileges", f"--file={to}"])
    to.chmod(0o600)


def _dump_sqlite(path: Path, to: Path) -> None:
    driver = safe_sqlite()
    if not path.exists():
        raise DumpError(f"There is no database at {path}; an engine makes it at its first start.")
    source = driver.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S)
    try:
        with closing(source), closing(driver.connect(to)) as target:
            # All pages in one step: in several, every write of another process would have it begin anew.
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # so that this file alone is all of it
            fault = sqlite_fault(target)
    except driver.DatabaseError as error:
        raise DumpError(f"{path} could not be copied: {error}.") from error
    if fault is not None:
        raise DumpError(f"{path} is damaged ({fault}), so that a copy would be no backup.")


def sqlite_fault(connection: object) -> str | None:
    """The first thing that is wrong with a SQLite database; None when it is whole."""
    found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]  # type: ignore[attr-defined]
    return None if found == "ok" else " ".join(found.split())


# --- PostgreSQL's own programs


def run_postgres(url: sa.URL, name: str, program: Path | None, arguments: Sequence[str]) -> None:
    """Run one of PostgreSQL's client programs on a database.

    Raises:
        DumpError: It is not there, or failed; the detail quotes it.
    """
    command = [_found(name, program), *arguments, "--dbname=service=llmcoder"]
    with _service_file(url) as service:
        environ = {**os.environ, "PGSERVICEFILE": str(service), "LC_MESSAGES": "C"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-500:] or f"exit code {done.returncode}"
        raise DumpError(f"{name} failed: {said}")


def _found(name: str, program: Path | None) -> str:
    found = which(program or name)
    if found is None:
        raise DumpError(
            f"{program or name} was not found: install PostgreSQL's client programs, of the server's version or later, "
            f"or set {name.upper()} to where {name} is."
        )
    return found


@contextmanager
def _service_file(url: sa.URL) -> Iterator[Path]:
    """The address as a file that only we can read: everybody can read a command line."""
    from psycopg.conninfo import conninfo_to_dict

    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    lines = [f"{name}={value}" for name, value in conninfo_to_dict(plain).items()]
    with tempfile.NamedTemporaryFile("w", prefix="llmcoder-", suffix=".conf") as file:  # mode 0600
        file.write("\n".join(["[llmcoder]", *lines, ""]))
        file.flush()
        yield Path(file.name)
