"""A TCP proxy in front of a Bolt server that cuts connections when it is told to; the bytes are the server's own."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

COMMIT = b"\x00\x02\xb0\x12\x00\x00"
"""Bolt's COMMIT: a chunk of two bytes (a structure without fields, tag 0x12) and the end of the message."""


class BoltProxy:
    """Passes bytes between a driver and the server at `uri`; `self.uri` is what the driver takes instead.

    Args:
        uri: the server.
        change: what to make of bytes from the server.
    """

    def __init__(self, uri: str, *, cut_commits: int = 0, change: Callable[[bytes], bytes] = lambda data: data) -> None:
        parts = urlsplit(uri)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 7687)
        self._change = change
        self._cut_commits = self._let_through = self.commits_cut = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"bolt://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            with self._lock:
                self._pairs.append((client, server))
            lost = threading.Event()  # the next answer of the server is not passed on
            for pump in (self._up, self._down):
                threading.Thread(target=pump, args=(client, server, lost), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if data.endswith(COMMIT) and self._takes():
                    lost.set()
                    server.sendall(data)
                    return  # the other direction ends both, when the server has committed
                server.sendall(data)
        _close(client, server)

    def _takes(self) -> bool:
        """Whether this COMMIT is one to cut after."""
        if self._let_through:
            self._let_through -= 1
            return False
        if self.commits_cut >= self._cut_commits:
            return False
        self.commits_cut += 1
        return True

    def _down(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if lost.is_set():
                    break
                client.sendall(self._change(data))
        _close(client, server)

    def cut_commits(self, most: int = 1, *, after: int = 0) -> None:
        """Lets `after` COMMITs pass, and cuts the driver off when the server has done each of the next ones, up to `most`."""
        self._let_through, self._cut_commits, self.commits_cut = after, most, 0

    def cut(self) -> None:
        """Cuts every connection that is open."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _close(*pair)

    def close(self) -> None:
        """Cuts everything, and takes no more."""
        _close(self._listener)
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
