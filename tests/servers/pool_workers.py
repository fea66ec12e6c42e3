"""Workers for the processes of a pool, in a module that those can import."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from engine.runs.outcome import Outcome


def killed_at_three():
    """A worker that ends its own process at slot 3, once."""

    def work(slots):
        for slot in slots:
            if slot.index == 3:
                mark = Path(os.environ["DUALALIGN_TEST_MARK"])
                if not mark.exists():
                    mark.write_text("killed")
                    os.kill(os.getpid(), signal.SIGKILL)
        return [Outcome(slot, complete=True) for slot in slots]

    return work


def telling():
    """A worker that says what it sees of its environment."""

    def work(slots):
        return [os.environ.get("DUALALIGN_TEST_TOLD") for _ in slots]

    return work
