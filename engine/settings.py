"""`Settings`: where things are. Argument or flag > `DUALALIGN_*` > default; never part of a recipe. [border]."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontology.errors import ConfigError

if TYPE_CHECKING:
    from graph_loaders.stores.address import ServerAddress

__all__ = ["Settings"]

_LONGEST_PASSWORD = 4096


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the caches and servers are, and how to get in. Secrets never show in `repr`.

    `model_tokens` and `model_money` are the most that the calls of one process may cost (None: no bound); `model_prices` are the
    prices of a million tokens of prompts and of answers, `model_concurrency` the most calls at once, and `model_timeout` the seconds
    that a call waits for its answer before it is given up (its tries before the last one are ended sooner where others are answered soon).
    `neo4j_user` and `neo4j_database` fill in what the address of a graph leaves out; `neo4j_uri` is the server of one that names none.
    """

    cache: Path
    model_url: str = ""
    model_key: str = field(default="", repr=False)
    model_concurrency: int | None = None
    model_timeout: float | None = None
    model_tokens: int | None = None
    model_money: float | None = None
    model_prices: tuple[float, float] = (0.0, 0.0)
    offline: bool = False
    neo4j_uri: str = "neo4j://127.0.0.1:7687"
    neo4j_user: str = "neo4j"
    neo4j_password: str = field(default="", repr=False)
    neo4j_database: str = "neo4j"

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Reads `DUALALIGN_CACHE`, `_MODEL_URL`, `_MODEL_KEY`, `_MODEL_CONCURRENCY`, `_MODEL_TIMEOUT`,
        `_MODEL_TOKENS`, `_MODEL_MONEY`, `_MODEL_PRICES` (two numbers: `0.15,0.60`), `_OFFLINE`,
        `_NEO4J_URI`, `_NEO4J_USER`, `_NEO4J_PASSWORD`
        or `_NEO4J_PASSWORD_FILE`, `_NEO4J_DATABASE`; keyword arguments win. The only place that reads the environment.
        LangChain's tracing is switched off here: nothing is sent anywhere unasked.

        Raises:
            ConfigError: a password file that cannot be read, a password given twice, a budget or price that is no number, or a
                budget of money without prices.

        >>> Settings.load(neo4j_user="reader").neo4j_user
        'reader'
        """
        for name in ("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING"):
            os.environ[name] = "false"
        given = {key: value for key, value in overrides.items() if value is not None}
        servers: dict[str, Any] = {
            name: os.environ[f"DUALALIGN_{name.upper()}"]
            for name in ("neo4j_uri", "neo4j_user", "neo4j_database")
            if os.environ.get(f"DUALALIGN_{name.upper()}")
        }
        found = cls(
            cache=Path(os.environ.get("DUALALIGN_CACHE") or _default_cache()),
            model_url=os.environ.get("DUALALIGN_MODEL_URL", ""),
            model_key=os.environ.get("DUALALIGN_MODEL_KEY", ""),
            offline=os.environ.get("DUALALIGN_OFFLINE", "") not in {"", "0", "false"},
            neo4j_password="" if "neo4j_password" in given else _password(),
            **servers,
            **_model_numbers(),
        )
        found = replace(found, **given)
        if found.model_money is not None and not any(found.model_prices):
            raise ConfigError(
                "DUALALIGN_MODEL_MONEY needs DUALALIGN_MODEL_PRICES: what a million tokens cost, as in 0.15,0.60"
            )
        return found

    def graph_target(self, target: str | Path) -> str | Path | ServerAddress:
        """A graph's file as it is, or its server's address with what these settings know; ConfigError when it cannot be one.

        >>> Settings.load(neo4j_database="research").graph_target("neo4j://graphs.example").database
        'research'
        """
        from graph_loaders.stores.address import ServerAddress, is_server, names_host, parse

        if not isinstance(target, str) or not is_server(target):
            return target
        known = ServerAddress(user=self.neo4j_user, database=self.neo4j_database)
        return parse(target, known if names_host(target) else parse(self.neo4j_uri, known))

    def without_secrets(self) -> Settings:
        """The same for a process that opens no graph: it still reaches the model, and has no password of a store."""
        return replace(self, neo4j_password="")


def _default_cache() -> str:
    from platformdirs import user_cache_dir

    return user_cache_dir("dualalign", appauthor=False)


def _model_numbers() -> dict[str, Any]:
    """The bounds of model calls that the environment sets."""
    found: dict[str, Any] = {}
    least_of = {"concurrency": 1, "timeout": 0.1, "tokens": 0, "money": 0, "prices": 0}
    for key, least in ((f"model_{name}", least) for name, least in least_of.items()):
        name = f"DUALALIGN_{key.upper()}"
        text = os.environ.get(name, "")
        if not text:
            continue
        kind = int if key in {"model_concurrency", "model_tokens"} else float
        many = 2 if key == "model_prices" else 1
        try:
            values = tuple(kind(part) for part in text.split(","))
        except ValueError:
            values = ()
        if len(values) != many or not all(least <= value < float("inf") for value in values):
            wanted = "two numbers such as 0.15,0.60" if many > 1 else f"a number of at least {least}"
            raise ConfigError(f"{name} is {text[:40]!r}; it takes {wanted}")
        found[key] = values if many > 1 else values[0]
    return found


def _password() -> str:
    """The password of the Neo4j server, from its variable or the file that another one names."""
    password = os.environ.get("DUALALIGN_NEO4J_PASSWORD", "")
    name = os.environ.get("DUALALIGN_NEO4J_PASSWORD_FILE", "")
    if not name:
        return password
    if password:
        raise ConfigError("DUALALIGN_NEO4J_PASSWORD and DUALALIGN_NEO4J_PASSWORD_FILE are both set; keep one of them")
    try:
        with Path(name).open("rb") as file:
            text = file.read(_LONGEST_PASSWORD + 1).decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(
            f"DUALALIGN_NEO4J_PASSWORD_FILE names {name}, which cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        text = ""
    if not text or "\n" in text or len(text) > _LONGEST_PASSWORD:
        raise ConfigError(f"DUALALIGN_NEO4J_PASSWORD_FILE names {name}, which is not one line of UTF-8 text")
    return text
