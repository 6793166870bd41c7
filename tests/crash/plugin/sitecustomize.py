"""In every Python process of a crash test: signals on which it writes where its threads stand.

The first is told by the interpreter, between two instructions. The second is told whatever the interpreter is stuck in,
and may end a process that is not stuck at all: `faulthandler` reads the frames of threads while they change.
"""

import faulthandler
import os
import signal
import sys


def _tell(_number: int, _frame: object) -> None:
    lines = []
    for ident, frame in sys._current_frames().items():
        lines.append(f"Thread 0x{ident:x} (most recent call first):")
        while frame is not None:
            lines.append(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}')
            frame = frame.f_back
    os.write(2, "\n".join([*lines, ""]).encode())


signal.signal(signal.SIGRTMIN + 5, _tell)
faulthandler.register(signal.SIGRTMIN + 6, all_threads=True)
