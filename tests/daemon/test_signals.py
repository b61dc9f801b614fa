"""What a process is told by signals, under a rain of them, and while it pauses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

COUNTING = """
import sys, time
from reconciler.daemon.signals import Signals
signals = Signals()
signals.listen()
print("listens", flush=True)
read = 0
while not signals.end:
    signals.sleep(0.01)
    read, signals.reread = read + signals.reread, False
print("ends", read > 0, flush=True)
"""


def test_F11_thousands_of_signals_neither_stop_nor_kill_who_listens() -> None:
    """A handler that took a lock would find it taken by the very code that it interrupts."""
    child = subprocess.Popen([sys.executable, "-c", COUNTING], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "listens\n"
        for _ in range(20_000):
            os.kill(child.pid, signal.SIGHUP)
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == "ends True\n"
        assert child.wait(10) == 0
    finally:
        child.kill()
        child.communicate()
