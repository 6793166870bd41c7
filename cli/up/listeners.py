"""Whether the listeners' process is wanted: one that none of the settings asks for would only take memory.

`python -m cli.up.listeners` answers with "yes" or "no". It loads the settings and what domains declare, so the
supervisor asks it in a process of its own, and again only when config.json has changed.
"""

import os
import subprocess
import sys
from pathlib import Path

from cli.up.process import tied
from llmcoder.process import command_line
from llmcoder.stamp import Stamp

COMMAND = command_line("cli.up.listeners")
ANSWERS_WITHIN_S = 60.0


class Wanted:
    """Whether any listener has its settings.

    Args:
        config_file: Where they stand; the environment, which may hold them too, never changes.
        command: What is asked.
    """

    def __init__(self, config_file: Path, command: list[str] = COMMAND) -> None:
        self._config_file = config_file
        self._command = command
        self._answered_for: Stamp | None = None
        self._answer = False

    def __call__(self) -> bool:
        """The answer.

        Raises:
            OSError: There was none; it is asked for again the next time.
            subprocess.TimeoutExpired: It took too long.
        """
        stamp = Stamp.of(self._config_file)
        if stamp != self._answered_for or stamp.young:
            self._answer = self._ask()
            self._answered_for = stamp
        return self._answer

    def _ask(self) -> bool:
        done = subprocess.run(
            tied(self._command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWERS_WITHIN_S,
            process_group=0,  # Ctrl-C on the terminal is for the supervisor
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise OSError(f"exit code {done.returncode}: {reason}")
        return done.stdout.split()[-1:] == ["yes"]


def any_configured() -> bool:
    """Whether any has; not, where the settings cannot be used, as every other process then says in the log."""
    from llmcoder.config import config, only_look
    from llmcoder.config_file import ConfigError
    from llmcoder.registry import listeners

    only_look()
    try:
        return any(one.configured(config().get(one.settings)) for one in listeners())
    except ConfigError:
        return False


def main() -> None:
    sys.stdout.write("yes\n" if any_configured() else "no\n")
    sys.stdout.flush()
    os._exit(0)  # nothing was begun that must be ended


if __name__ == "__main__":
    main()
