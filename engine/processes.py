"""What every worker process does first: leave interrupts to the main process, and end when that does."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["end_with_main"]


def end_with_main(watched: Connection) -> None:
    """Ends this process when the other end of the pipe is closed: by the main process that is done, or by the system when that
    is killed. An interrupt is the main process's to answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait, args=(watched,), daemon=True).start()


def _wait(watched: Connection) -> None:
    watched.poll(None)
    os._exit(1)
