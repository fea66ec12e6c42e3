"""From the bytes of a server to a `Reply`, or why there is none. Pure; a server's words never reach an error: they may hold keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ontology.errors import ModelError

__all__ = ["LARGEST", "Reply", "fault", "of_status", "read_reply"]

LARGEST = 256 * 1024
"""Bytes of an answer that are read; a sentence takes a few hundred."""

_STATUS = {
    401: ("refused-key", "refused the key; set DUALALIGN_MODEL_KEY"),
    403: ("refused-key", "refused the key; set DUALALIGN_MODEL_KEY"),
    404: ("unknown-model", "does not serve that model or path; compare its name with the server's list"),
    408: ("timeout", "gave no answer in time"),
    429: ("rate-limit", "asks for fewer requests; try later or lower the concurrency"),
}
_RETRYABLE = frozenset({"timeout", "unreachable", "rate-limit", "server", "malformed"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered: its choices as (text, finish reason), a refused or filtered one with the reason `refusal`; tokens used
    where it says.
    """

    choices: tuple[tuple[str, str], ...]
    prompt_tokens: int | None = None
    answer_tokens: int | None = None


def fault(code: str, why: str, name: str) -> ModelError:
    """An error of one sentence that names the model and nothing else."""
    return ModelError(f"model {name} {why}", code=code, retryable=code in _RETRYABLE)


def of_status(status: int, name: str) -> ModelError:
    """The error of an HTTP status that is not 200.

    >>> of_status(503, "m").code, of_status(503, "m").retryable, of_status(418, "m").code
    ('server', True, 'bad-request')
    """
    if status in _STATUS:
        return fault(*_STATUS[status], name)
    if status >= 500:  # noqa: PLR2004 -- HTTP's class of server errors
        return fault("server", f"failed with HTTP {status}; try again", name)
    why = f"refused the request with HTTP {status}; its log says why (where it knows no seeds: --decoding seeded=false)"
    return fault("bad-request", why, name)


def read_reply(body: bytes, name: str) -> Reply | ModelError:  # noqa: PLR0911 -- one return for each thing that can be wrong
    """The choices of a chat completion. Codes: `too-long`, `malformed` (not UTF-8, not JSON, not a completion), `server` (an error
    under HTTP 200), `empty` (no choice).

    >>> read_reply(b'{"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}', "m").choices
    (('Hi.', 'stop'),)
    >>> read_reply(b'{"choices": [{"mess', "m").code
    'malformed'
    """
    if len(body) > LARGEST:
        return fault("too-long", f"answered with more than {LARGEST // 1024} KiB; a sentence was asked for", name)
    try:
        data = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        return fault("malformed", "answered with bytes that are not UTF-8", name)
    except (ValueError, RecursionError):
        return fault("malformed", "answered with JSON that is cut or broken", name)
    if not isinstance(data, dict):
        return fault("malformed", "answered with JSON that is no completion", name)
    if data.get("error") and not data.get("choices"):
        return fault("server", "answered with an error under HTTP 200; try again", name)
    choices = data.get("choices")
    if not isinstance(choices, list):
        return fault("malformed", "answered with JSON that is no completion", name)
    if not choices:
        return fault("empty", "answered with no choice", name)
    found = [_choice(choice) for choice in choices]
    if None in found:
        return fault("malformed", "answered with JSON that is no completion", name)
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Reply(
        tuple(choice for choice in found if choice is not None),
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def _choice(choice: Any) -> tuple[str, str] | None:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return None
    content, reason = message.get("content"), choice.get("finish_reason")
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if content is not None and not isinstance(content, str):
        return None
    if message.get("refusal") or reason == "content_filter":
        return "", "refusal"
    return content or "", reason if isinstance(reason, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None
