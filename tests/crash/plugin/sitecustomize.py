"""In every Python process of a crash test: on this signal it writes where its threads stand, whatever they hold."""

import faulthandler
import signal

faulthandler.register(signal.SIGRTMIN + 5, all_threads=True)
