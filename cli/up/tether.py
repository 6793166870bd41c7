"""Ties a process to its supervisor, then becomes it: `python -I -S tether.py SUPERVISOR_PID PROGRAM ARGUMENTS...`.

On Linux the kernel then kills the process when the supervisor ends in whatever way. This is a program of its own
since code that runs between fork and exec of a process with threads can deadlock. Standard library only.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def tie_to_parent(supervisor_pid: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor_pid:  # it ended before the call above could see it
        sys.exit(1)


def main() -> None:
    tie_to_parent(int(sys.argv[1]))
    program, *arguments = sys.argv[2:]
    try:
        os.execvp(program, [program, *arguments])
    except OSError as error:
        sys.exit(f"{program}: {error.strerror}")


if __name__ == "__main__":
    main()
