"""What processes of our own do first: leave interrupts to the main process, end when that does, and collect garbage seldom."""

from __future__ import annotations

import gc
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["collect_seldom", "end_with_main"]

_YOUNG = 50_000


def collect_seldom() -> None:
    """What this process holds now stays, so Python's collector never walks it again; and it comes less often. Else it takes a
    quarter of the time of a run: numba and spaCy keep half a million objects. Not for a library's caller: the setting is the process's.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


def end_with_main(watched: Connection) -> None:
    """Ends this process when the other end of the pipe is closed: by the main process that is done, or by the system when that
    is killed. An interrupt is the main process's to answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait, args=(watched,), daemon=True).start()


def _wait(watched: Connection) -> None:
    watched.poll(None)
    os._exit(1)
