"""How the process that planned becomes the one that stays, with the same id, terminal and lock.

A plan needs the settings, and whoever has read them holds all that it takes to read settings; the process that keeps
the others running needs none of it. The plan goes along in an open file: it holds passwords, and addresses with
passwords, which arguments and variables would show to others.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cli.up.child import Child
from cli.up.supervisor import STOPS
from llmcoder.process import command_line


@dataclass(frozen=True)
class Plan:
    """What is to be kept running.

    Attributes:
        banner: Is shown when all of it runs; it may hold a password.
        log_file: Where its lines are kept.
    """

    children: tuple[Child, ...]
    banner: str
    log_file: Path


def become_supervisor(plan: Plan, data_dir: Path, lock_fd: int) -> NoReturn:
    """Replace this process by `cli.up.supervise`.

    Args:
        data_dir: The file that carries the plan is made there, without a name, so that nobody else can open it.
        lock_fd: The lock of the data folder; it stays held.
    """
    with tempfile.TemporaryFile(dir=data_dir) as carrier:
        pickle.dump(plan, carrier)
        carrier.flush()
        carrier.seek(0)
        for descriptor in (carrier.fileno(), lock_fd):
            os.set_inheritable(descriptor, True)
        # One that comes before the supervisor listens would end a process half made; it gets it when it can tell.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        sys.stdout.flush()
        sys.stderr.flush()
        command = command_line("cli.up.supervise", str(carrier.fileno()), str(lock_fd))
        os.execv(command[0], command)


def taken_over(carrier_fd: int) -> Plan:
    """What `become_supervisor` handed over."""
    with os.fdopen(carrier_fd, "rb") as carrier:
        plan = pickle.load(carrier)
    assert isinstance(plan, Plan)
    return plan
