"""A server that speaks as much Bolt as it takes to say which product and version it is: old Neo4j and others, as bad input."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = bytes.fromhex("6060b017")
_BOLT_5_4 = bytes.fromhex("00000405")
_HELLO, _GOODBYE = 0x01, 0x02


def _text(value: str) -> bytes:
    data = value.encode()
    return bytes([0xD0, len(data)]) + data


def _success(**fields: str) -> bytes:
    body = b"\xb1\x70" + bytes([0xA0 + len(fields)]) + b"".join(_text(k) + _text(v) for k, v in fields.items())
    return len(body).to_bytes(2) + body + b"\x00\x00"


def _message(stream: socket.SocketIO) -> bytes:
    found = b""
    while size := int.from_bytes(stream.read(2) or b""):
        found += stream.read(size) or b""
    return found


def _serve(connection: socket.socket, agent: str, asked: list[int]) -> None:
    stream = connection.makefile("rb", buffering=0)
    with connection, stream, contextlib.suppress(OSError):
        if stream.read(20)[:4] != _MAGIC:
            return
        connection.sendall(_BOLT_5_4)
        while (message := _message(stream)) and message[1] != _GOODBYE:
            asked.append(message[1])
            connection.sendall(_success(server=agent, connection_id="bolt-1") if message[1] == _HELLO else _success())


@contextlib.contextmanager
def bolt_stub(agent: str) -> Iterator[tuple[str, list[int]]]:
    """Its address, and the tags of the messages it was sent (0x10 is RUN)."""
    asked: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_serve, args=(connection, agent, asked), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"bolt://127.0.0.1:{server.getsockname()[1]}", asked
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
