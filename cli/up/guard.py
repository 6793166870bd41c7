"""Outlives a supervisor that was killed outright, ends what it left running, and ends itself.

`tether.py` ties the supervisor's direct children to it; this ends their children too, where the kernel offers no
such tie, and holds the folder's lock until then, so that the next start never meets the remains of the last one.
It reads process groups from its input, `+123` to remember and `-123` to forget; the end of the input is the signal.
Standard library only, and as a program little of that: it does nothing for as long as the engine runs. A session of its
own, so that Ctrl-C does not reach it.
"""

import contextlib
import os
import signal
import sys


class Guard:
    """The supervisor's end of the pipe."""

    def __init__(self, lock_fd: int | None) -> None:
        import subprocess  # here: the guard itself has no use for it

        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=() if lock_fd is None else (lock_fd,),
            bufsize=0,
        )

    def remember(self, group: int) -> None:
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._tell(f"-{group}\n")

    def dismiss(self) -> None:
        """Close the pipe; what was not forgotten is killed."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        import subprocess

        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)

    def _tell(self, line: str) -> None:
        # A guard that somebody killed is missed only if the supervisor is killed too, and then the tether holds.
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.write(line.encode())


def kill_group(group: int) -> None:
    """End a process group at once; one that is already empty, or not ours any more, is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def main() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # whoever starts it may hold signals back at that moment
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (groups.add if line.startswith("+") else groups.discard)(group)
    for group in groups:
        kill_group(group)


if __name__ == "__main__":
    main()
