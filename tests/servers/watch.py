"""`watch.py PID FOLDER`: ends a process and removes its folder once whoever started this has gone, however it went."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time


def watch(pid: int, folder: str) -> None:
    """Standard input ends when the process at its other end does, also when that was killed."""
    sys.stdin.buffer.read()
    for how, seconds in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)):
        end = time.monotonic() + seconds
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
            while time.monotonic() < end:
                os.kill(pid, 0)
                time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
