"""What processes of our own do first: begin with what they need, leave interrupts to the main process, end when that does, and collect
garbage seldom.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext

__all__ = ["begin", "collect_seldom", "process_context"]

_YOUNG = 50_000
_NEEDED = (
    "medspacy.context",
    "numba",
    "engine.runs.worker",
    "engine.sampling.model",
    "engine.sampling.sampler",
    "engine.validation",
    "engine.verbalization.template",
    "ontology.linker",
)


def process_context() -> BaseContext:
    """How worker processes are begun: on Linux as copies of a server process that has imported what a worker needs and done nothing else,
    which halves their start and shares the memory of the libraries; elsewhere afresh. Never as copies of the caller: it may have
    threads.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_NEEDED))
    return context


def collect_seldom() -> None:
    """What this process holds now stays, so Python's collector never walks it again; and it comes less often. Else it takes a
    quarter of the time of a run: numba and spaCy keep half a million objects. Not for a library's caller: the setting is the process's.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


def begin(watched: Connection, environ: Mapping[str, str]) -> None:
    """What a worker process does first. It takes the main process's environment (the server process has that of its own start) and ends
    when the other end of the pipe is closed: by the main process that is done, or by the system when that is killed. An interrupt is
    the main process's to answer.
    """
    os.environ.clear()
    os.environ.update(environ)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait, args=(watched,), daemon=True).start()


def _wait(watched: Connection) -> None:
    watched.poll(None)
    os._exit(1)
