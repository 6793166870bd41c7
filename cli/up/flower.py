"""Flower for operators: on loopback, read-only, its history kept, behind a password made at first start.

`python -m cli.up.flower` runs it where there is no supervisor. Its options travel as FLOWER_... variables, never on
the command line, which `ps` shows to everybody; an option that the operator set as a variable wins over ours.
"""

import os
import secrets
import sys
import tempfile
from functools import partial
from pathlib import Path

from cli.up.child import Child
from cli.up.reachable import listens
from llmcoder.process import command_line

USER = "admin"
COMMAND = command_line("celery", "--quiet", "-A", "cli.up.flower_app", "flower")
# Each takes some 4 KB, and a save pickles all of them while Flower answers nobody: seldom, and not too many. All jobs
# stand in SQL; Flower shows the latest.
TASKS_KEPT = 2_000
SAVE_EVERY_MS = 60_000
# Of each worker name Flower keeps counts by action; in containers every start brings another name.
OFFLINE_WORKERS_KEPT_S = 86_400


def child(data_dir: Path, host: str, port: int, password: str) -> Child:
    return Child(
        name="flower",
        command=COMMAND,
        env=environment(data_dir, host, port, password),
        prepare=partial(make_folder, data_dir),
        ready=partial(listens, host, port),
    )


def environment(data_dir: Path, host: str, port: int, password: str) -> dict[str, str]:
    defaults = {
        "FLOWER_BASIC_AUTH": f"{USER}:{password}",
        "FLOWER_READ_ONLY": "true",
        "FLOWER_PERSISTENT": "true",
        "FLOWER_DB": str(data_dir / "flower" / "history"),
        "FLOWER_STATE_SAVE_INTERVAL": str(SAVE_EVERY_MS),
        "FLOWER_MAX_TASKS": str(TASKS_KEPT),
        "FLOWER_PURGE_OFFLINE_WORKERS": str(OFFLINE_WORKERS_KEPT_S),
        "FLOWER_ENABLE_EVENTS": "false",  # our workers send them always, without being told every 5 s
    }
    chosen = {name: os.environ.get(name, value) for name, value in defaults.items()}
    return {**chosen, "FLOWER_ADDRESS": host, "FLOWER_PORT": str(port)}


def make_folder(data_dir: Path, _short_lives: int = 0) -> None:
    (data_dir / "flower").mkdir(mode=0o700, exist_ok=True)


def password_in(data_dir: Path) -> tuple[str, bool]:
    """The password, and whether it was made just now and should be shown once."""
    file = data_dir / "flower_password"
    known = file.read_text().strip() if file.exists() else ""
    if known:
        return known, False
    made = secrets.token_urlsafe(18)
    _write_whole(file, made + "\n")
    return made, True


def main() -> None:
    """Become Flower."""
    from llmcoder.config import config
    from llmcoder.private import keep_private
    from llmcoder.settings import EngineSettings

    keep_private()
    settings = config().get(EngineSettings)
    data_dir = settings.data_dir.absolute()
    make_folder(data_dir)
    password = settings.flower_password.get_secret_value() if settings.flower_password else password_in(data_dir)[0]
    ours = environment(data_dir, settings.flower_host, settings.flower_port, password)
    # Where there is no supervisor the output is kept in somebody's log, so the password itself is not shown.
    sys.stdout.write(f"Flower: user {USER}, password in {data_dir / 'flower_password'} unless FLOWER_PASSWORD is set\n")
    sys.stdout.flush()
    os.execve(COMMAND[0], COMMAND, {**os.environ, **ours})


def _write_whole(file: Path, text: str) -> None:
    """Readable by us alone, and never half written, even if we are killed in between."""
    fd, name = tempfile.mkstemp(dir=file.parent)  # made with mode 0600
    with os.fdopen(fd, "w") as temporary:
        temporary.write(text)
        temporary.flush()
        os.fsync(temporary.fileno())
    Path(name).replace(file)


if __name__ == "__main__":
    main()
