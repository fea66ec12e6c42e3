"""`Wire`: one send to a server and what comes back, without a second try. The only module that knows aiohttp."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.verbalization.transport.limits import retry_after
from engine.verbalization.transport.replies import LARGEST, Reply, fault, of_status, read_reply

if TYPE_CHECKING:
    import aiohttp

    from ontology.errors import ModelError

__all__ = ["Wire"]

_LOOPBACK = re.compile(r"127\.[0-9]+\.[0-9]+\.[0-9]+\Z|::1\Z")
_CONNECT = 10.0


class Wire:
    """Connections to the chat completions of one server; the key is in no error."""

    def __init__(self, model: str, url: str, key: str, *, loopback: bool) -> None:
        self.model, self.url, self._key = model, f"{url.rstrip('/')}/chat/completions", key
        self._proxy = None if loopback else _proxy(url)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, data: bytes) -> tuple[Reply | ModelError, float | None]:
        """The answer to a body of JSON, and the seconds the server asks to wait; raises what `translated` says in our words."""
        async with self._connected().post(self.url, data=data, allow_redirects=False, proxy=self._proxy) as response:
            asked = retry_after(response.headers.get("Retry-After"), time.time())
            if response.status != 200:  # noqa: PLR2004 -- HTTP's OK
                return of_status(response.status, self.model), asked
            if (response.content_length or 0) > LARGEST:
                return read_reply(b" " * (LARGEST + 1), self.model), None
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > LARGEST:
                    break
            return read_reply(bytes(body), self.model), None

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            headers = {"Content-Type": "application/json"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def translated(self, error: Exception) -> tuple[ModelError, bool]:
        """A failure of the connection as ours, and whether nothing was sent."""
        import aiohttp

        if isinstance(error, aiohttp.ClientConnectorError):
            why = "cannot be reached; is the server running, and is DUALALIGN_MODEL_URL right?"
            return fault("unreachable", why, self.model), True
        if isinstance(error, aiohttp.InvalidURL):
            return fault("bad-request", "has an address that is no URL; set DUALALIGN_MODEL_URL", self.model), True
        if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError):
            return fault("unreachable", "closed the connection before its answer", self.model), False
        if isinstance(error, aiohttp.ClientPayloadError):
            return fault("malformed", "ended its answer too early", self.model), False
        if isinstance(error, aiohttp.ClientError):
            return fault("malformed", f"answered with what is no HTTP ({type(error).__name__})", self.model), False
        return fault("model-failed", f"failed with {type(error).__name__}", self.model), False

    async def close(self) -> None:
        """Ends the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address; none for this machine itself. aiohttp would look again at each call, in a
    thread, and would send what goes to this machine through it.
    """
    from urllib.request import getproxies, proxy_bypass

    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None  # a call says what is wrong with it
    if host == "localhost" or _LOOPBACK.match(host) or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)
