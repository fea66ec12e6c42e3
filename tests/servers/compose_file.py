"""What docker-compose.yml says of Neo4j: the one place for its version and settings, for users and tests alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COMPOSE = Path(__file__).resolve().parents[2] / "docker-compose.yml"


def service() -> dict[str, Any]:
    """The service neo4j of docker-compose.yml."""
    import yaml

    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["neo4j"]
    return found


def settings() -> dict[str, str]:
    """The settings in docker-compose.yml by their names on the server (`_` in a variable is a dot, `__` an underscore)."""
    found = {}
    for name, value in service()["environment"].items():
        if name.startswith("NEO4J_") and name != "NEO4J_AUTH":
            words = name.removeprefix("NEO4J_").split("__")
            found["_".join(word.replace("_", ".") for word in words)] = str(value)
    return found


def version() -> str:
    """The version of the image in docker-compose.yml."""
    return str(service()["image"]).partition(":")[2].partition("-")[0]
