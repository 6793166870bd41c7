"""The process that stays while the engine runs; `llmcoder up` becomes it (`cli.up.handover`) when all is planned.

It keeps processes and knows nothing of what they are for: standard library only, and of ours what lies in this package
and is as light. `tests/integration/test_up.py` holds what it has loaded.
"""

import asyncio
import os
import sys

from cli.up.guard import Guard
from cli.up.handover import Plan, taken_over
from cli.up.log import Log
from cli.up.supervisor import Supervisor
from llmcoder.startup import UpError


def main(carrier_fd: int, lock_fd: int) -> int:
    """Keep the engine running until it is asked to stop; the exit code of `llmcoder up`."""
    plan = taken_over(carrier_fd)
    try:
        asyncio.run(keep(plan, lock_fd))
    except UpError as error:
        sys.stderr.write(f"llmcoder up: {error}\n")
        return 1
    return 0


async def keep(plan: Plan, lock_fd: int) -> None:
    log = Log(plan.log_file, [child.name for child in plan.children])
    guard = Guard(lock_fd)
    try:
        await Supervisor(plan.children, log, guard).run(started=lambda: log.show(plan.banner))
        log.say("stopped")
        log.close()
    finally:
        guard.dismiss()
        os.close(lock_fd)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
