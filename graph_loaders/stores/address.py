"""`ServerAddress`: where a graph on a Neo4j server is. Never holds a password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from ontology.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DEFAULT_GRAPH", "PASSWORD_WAY", "SCHEMES", "ServerAddress", "is_server", "names_host", "parse"]

SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
"""`+s`: encrypted, certificate checked. `+ssc`: encrypted, certificate not checked. `neo4j` asks a cluster for its members."""

DEFAULT_GRAPH = "dualalign"
"""The graph of an address that names none."""

PASSWORD_WAY = "set DUALALIGN_NEO4J_PASSWORD, or name a file that holds it in DUALALIGN_NEO4J_PASSWORD_FILE"  # noqa: S105 -- the names of variables
"""How a password is given; the end of every sentence about one."""

_PORT = 7687
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_GRAPH = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
_DATABASE = re.compile(r"[A-Za-z][A-Za-z0-9.-]{2,62}")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A graph on a server. `uri` is what the driver takes: scheme, host and port; several graphs may share a `database`.

    >>> address = parse("neo4j://reader@graphs.example/research?graph=clinic")
    >>> address.uri, address.user, address.database, address.graph
    ('neo4j://graphs.example:7687', 'reader', 'research', 'clinic')
    >>> str(address)
    'neo4j://reader@graphs.example:7687/research?graph=clinic'
    """

    uri: str = "neo4j://127.0.0.1:7687"
    user: str = "neo4j"
    database: str = "neo4j"
    graph: str = DEFAULT_GRAPH

    def __str__(self) -> str:
        scheme, _, host = self.uri.partition("://")
        return f"{scheme}://{quote(self.user, safe='')}@{host}/{self.database}?graph={self.graph}"


def is_server(target: str | Path | ServerAddress) -> bool:
    """Whether `target` is the address of a server and not the name of a file.

    >>> is_server("neo4j://localhost"), is_server("ad.graph")
    (True, False)
    """
    return isinstance(target, ServerAddress) or (isinstance(target, str) and _URL.match(target) is not None)


def names_host(target: str) -> bool:
    """Whether an address says which server it means.

    >>> names_host("neo4j://graphs.example"), names_host("neo4j:///?graph=clinic")
    (True, False)
    """
    return target.partition("://")[2][:1] not in {"", "/", "?"}


def parse(target: str, base: ServerAddress | None = None) -> ServerAddress:
    """The address in `SCHEME://[USER@]HOST[:PORT][/DATABASE][?graph=NAME]`; what it leaves out, host included, is as in `base`.

    Raises:
        ConfigError: a scheme, host, port, database or graph name that cannot be; a password, which is never repeated.

    >>> parse("neo4j:///?graph=clinic", ServerAddress("bolt://graphs.example:7687", user="reader"))
    ServerAddress(uri='bolt://graphs.example:7687', user='reader', database='neo4j', graph='clinic')
    """
    base = base or ServerAddress()
    scheme, _, rest = target.partition("://")
    if "@" in rest and ":" in rest.rpartition("@")[0]:
        raise ConfigError(f"a password in the {scheme}:// address of a graph would be seen by others; {PASSWORD_WAY}")
    if scheme.lower() not in SCHEMES:
        shown = ", ".join(f"{name}://" for name in SCHEMES)
        raise ConfigError(f"{target!r} is no address of a graph; name a file, or a Neo4j server by {shown}")
    try:
        parts = urlsplit(target)
        port = parts.port or _PORT
    except ValueError as error:
        raise ConfigError(f"{target!r} is no address of a graph ({error}); {_form(scheme)}") from None
    _refuse_malformed(parts, target)
    where = base.uri
    if parts.hostname:
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        where = f"{scheme.lower()}://{host}:{port}"
    return ServerAddress(
        where,
        unquote(parts.username) if parts.username else base.user,
        _database(parts.path.strip("/") or base.database, target),
        _graph(parts, target, base.graph),
    )


def _refuse_malformed(parts: SplitResult, target: str) -> None:
    if parts.fragment:
        raise ConfigError(
            f"{target!r} has a part after '#', which an address of a graph has not; {_form(parts.scheme)}"
        )
    if parts.hostname and not _HOST.fullmatch(parts.hostname):
        raise ConfigError(f"{target!r} names no host that can be ({parts.hostname!r}); {_form(parts.scheme)}")
    if not parts.hostname and parts.netloc:
        raise ConfigError(f"{target!r} names a user or a port but no host; {_form(parts.scheme)}")


def _database(name: str, target: str) -> str:
    if not _DATABASE.fullmatch(name) or name.lower() == "system":
        why = "that one is the server's own" if name.lower() == "system" else "3 to 63 letters, digits, dots and dashes"
        raise ConfigError(f"{name!r} in {target!r} cannot be the name of a database of graphs: {why}")
    return name.lower()


def _graph(parts: SplitResult, target: str, default: str) -> str:
    asked = parse_qsl(parts.query, keep_blank_values=True)
    if unknown := sorted({name for name, _ in asked} - {"graph"}):
        raise ConfigError(
            f"the address of a graph takes the parameter graph alone, and not {', '.join(unknown)}; {_form(parts.scheme)}"
        )
    names = [value for _, value in asked] or [default]
    if len(names) > 1 or not _GRAPH.fullmatch(names[0]):
        raise ConfigError(
            f"{' and '.join(map(repr, names))} in {target!r} cannot be the name of a graph: "
            "one name, a letter and then up to 62 letters, digits, '_', '.' and '-'"
        )
    return names[0]


def _form(scheme: str) -> str:
    return f"write it as {scheme.lower()}://USER@HOST:7687/DATABASE?graph=NAME"
