"""Which errors the person at the shell can remedy, and the line that tells them how."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cli.options import ExitCode
from llmcoder.config_file import ConfigError
from llmcoder.errors import ActionError, DeclarationError, Transient
from models.audit.log import AuditError
from models.db.database import NO_FILE, TRANSIENT_ERRORS, UnsafeDatabase


@dataclass(frozen=True)
class Explained:
    """An error as the shell shows it."""

    line: str
    exit_code: ExitCode


def explained(error: Exception) -> Explained | None:
    """The line for an error; None for one that nobody foresaw, whose traceback is wanted."""
    if isinstance(error, ActionError):
        ours = isinstance(error, ConfigError | Transient)
        return Explained(error.detail, ExitCode.FAILED if ours else ExitCode.BAD_INPUT)
    if isinstance(error, UnsafeDatabase | DeclarationError | AuditError):
        return Explained(str(error), ExitCode.FAILED)
    if isinstance(error, (*TRANSIENT_ERRORS, sa.exc.ProgrammingError)):
        return Explained(of_database(error), ExitCode.FAILED)
    return _of_migrations(error)


def of_database(error: Exception) -> str:
    """What is wrong with the database and what to do; the driver's words hold no password and no parameters."""
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    if NO_FILE in said:
        return f"The database cannot be used: {said} yet. Run `llmcoder migrate`, or start the engine: `llmcoder up`."
    if "no such table" in said or "no such column" in said or ("relation" in said and "does not exist" in said):
        return "The database has no tables yet, or older ones: run `llmcoder migrate`."
    return f"The database cannot be used: {said}. Look at DATABASE_URL (`llmcoder config show`) and at its server."


def _of_migrations(error: Exception) -> Explained | None:
    from alembic.util import CommandError

    if not isinstance(error, CommandError):
        return None
    line = f"The database's tables are of another version than this code, perhaps a newer one: {error}."
    return Explained(line, ExitCode.FAILED)
