"""Sentences from any chat model: prompt, model, parser as one LangChain runnable. The only module that knows LangChain."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_openai import ChatOpenAI

from engine.verbalization.answers import faults, parse
from engine.verbalization.openings import opening
from engine.verbalization.prompts import PromptForm, messages, prompt_id
from ontology.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.verbalization.port import Request
    from ontology.pack import Pack

__all__ = ["LOCAL", "SERVER", "ChainVerbalizer", "Decoding", "chat_model", "disconnect", "is_chat_model", "openai_chat"]

_SEED_STEP = 0x9E3779B1  # odd, so the candidates of neighbouring seeds never meet


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a model is asked. `candidates`: how often it may try before the best of its sentences is taken as it is.
    `seeded`: the server takes a seed with each request. `timeout` (seconds) and `concurrency` do not change the answer.
    """

    temperature: float = 0.7
    max_tokens: int = 120
    stop: tuple[str, ...] = ()
    candidates: int = 1
    seeded: bool = True
    timeout: float = 60.0
    concurrency: int = 8
    retries: int = 2


SERVER = Decoding()
"""For servers of one's own (vLLM, Ollama)."""
LOCAL = Decoding(
    temperature=0.5,
    max_tokens=40,
    stop=("\n", ",", " and ", " which ", ";"),
    candidates=3,
    timeout=60.0,
    concurrency=4,
    retries=0,
)
"""For the small local model: see `benchmarks/verbalize.py` for what was measured."""


class ChainVerbalizer:
    """A `Verbalizer` over a chat model. `model` is the model, or a function that gives it (called once a `write`, so a
    server that died can come back). `identity` tells one set of weights from another in the cache. `close` is called once.

    >>> from langchain_core.language_models import FakeListChatModel
    >>> from engine.plan import Plan
    >>> from engine.verbalization.port import Request
    >>> from ontology.pack import Pack
    >>> pack = Pack("p", "P", "1", "C0002395", "", *[()] * 14)
    >>> model = FakeListChatModel(responses=["Sentence: Patient denies apathy."])
    >>> ChainVerbalizer(model, pack, name="fake").write([Request(Plan("mood", "Mood.", phrase="apathy"))])
    ['Patient denies apathy.']
    """

    def __init__(
        self,
        model: BaseChatModel | Callable[[], BaseChatModel],
        pack: Pack,
        *,
        name: str,
        decoding: Decoding = SERVER,
        form: PromptForm | None = None,
        identity: str = "",
        close: Callable[[], None] | None = None,
    ) -> None:
        self.name, self.decoding = name, decoding
        self.form = form or PromptForm()
        self.prompt = prompt_id(pack, self.form)
        self._model, self._pack, self._identity, self._close = model, pack, identity, close

    def write(self, requests: Sequence[Request]) -> list[str | ModelError]:
        """One sentence, or the reason for none, a request, in order; at most `decoding.concurrency` questions at once."""
        best: list[str | ModelError] = [ModelError("not asked", code="model-failed")] * len(requests)
        fewest = [1000] * len(requests)
        waiting = list(range(len(requests)))
        for attempt in range(self.decoding.candidates):
            if not waiting:
                break
            waiting.sort(key=lambda i: self._prefix(requests[i]))
            answers = self._ask([requests[i] for i in waiting], attempt)
            for i, answer in zip(waiting, answers, strict=True):
                wrong = 999 if isinstance(answer, ModelError) else len(faults(requests[i], answer, self._pack))
                if wrong < fewest[i]:
                    best[i], fewest[i] = answer, wrong
            waiting = [i for i in waiting if fewest[i] and not _hopeless(best[i])]
        return best

    def key(self, request: Request) -> str:
        """SHA-256 of all that settles the answer: model, decoding and messages. Where the server is does not count."""
        decoding = {k: v for k, v in asdict(self.decoding).items() if k not in {"timeout", "concurrency", "retries"}}
        parts = [self.name, self._identity, decoding, request.seed, messages(request, self._pack, self.form)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()

    def close(self) -> None:
        """Gives back the server behind the model, if it is ours."""
        close, self._close = self._close, None
        if close is not None:
            close()

    def _prefix(self, request: Request) -> str:
        """What stands before the plan: requests that share it are asked one after the other, for the server's cache."""
        return "\n".join(text for _, text in messages(request, self._pack, self.form)[: 1 + 2 * self.form.examples])

    def _ask(self, requests: Sequence[Request], attempt: int) -> list[str | ModelError]:
        try:
            model = self._model if isinstance(self._model, BaseChatModel) else self._model()
        except ModelError as error:
            return [error] * len(requests)
        chain = self._chain(model, attempt)
        answers = chain.batch(list(requests), {"max_concurrency": self.decoding.concurrency}, return_exceptions=True)
        return [_translate(answer, self.name) if isinstance(answer, Exception) else answer for answer in answers]

    def _chain(self, model: BaseChatModel, attempt: int) -> Runnable[Request, str | ModelError]:
        def prompt(request: Request) -> dict[str, Any]:
            chat = messages(request, self._pack, self.form)
            seed = (request.seed + attempt * _SEED_STEP) & 0x7FFFFFFF
            options: dict[str, Any] = {"seed": seed} if self.decoding.seeded else {}
            if stop := [s for s in self.decoding.stop if s not in request.plan.phrase]:
                options["stop"] = stop
            return {"chat": convert_to_messages(chat), "options": options}

        def ask(asked: dict[str, Any]) -> AIMessage:
            return model.invoke(asked["chat"], **asked["options"])

        def read(answer: dict[str, Any]) -> str | ModelError:
            return _read(answer["message"], opening(answer["request"]) if self.form.brief else "")

        def both(request: Request) -> dict[str, Any]:
            return {"request": request, "message": (RunnableLambda(prompt) | RunnableLambda(ask)).invoke(request)}

        return RunnableLambda(both) | RunnableLambda(read)


def openai_chat(name: str, url: str, key: str, decoding: Decoding, *, loopback: bool = False) -> ChatOpenAI:
    """A chat model behind an OpenAI-compatible server; `disconnect` ends its connections. With `loopback` no proxy of the
    environment is used.
    """
    import httpx
    from pydantic import SecretStr

    return ChatOpenAI(
        model=name,
        base_url=url,
        api_key=SecretStr(key or "none"),
        temperature=decoding.temperature,
        timeout=decoding.timeout,
        max_retries=decoding.retries,
        extra_body={"max_tokens": decoding.max_tokens},  # the field that every such server knows
        use_responses_api=False,
        http_client=httpx.Client(trust_env=not loopback, timeout=decoding.timeout, follow_redirects=False),
    )


def disconnect(model: BaseChatModel) -> None:
    """Closes the connections of a model that `openai_chat` made."""
    if isinstance(model, ChatOpenAI) and model.http_client is not None:
        model.http_client.close()


def chat_model(spec: str, decoding: Decoding) -> BaseChatModel:
    """The model that LangChain's `init_chat_model` makes of `provider:model`; ValueError or ImportError where it cannot."""
    made = init_chat_model(
        spec,
        temperature=decoding.temperature,
        max_tokens=decoding.max_tokens,
        timeout=decoding.timeout,
        max_retries=decoding.retries,
    )
    if not isinstance(made, BaseChatModel):
        raise ValueError(f"{spec!r} does not name one chat model")  # noqa: TRY004 -- a value, not a type, is wrong
    return made


def is_chat_model(model: object) -> bool:
    """Whether it is one of LangChain's."""
    return isinstance(model, BaseChatModel)


def _read(message: AIMessage, start: str) -> str | ModelError:
    about = message.response_metadata
    if (about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")) in {"length", "max_tokens"}:
        return ModelError("the answer was cut at the most tokens allowed", code="length")
    text = str(message.text)
    if start and not text.startswith(start):
        text = f"{start}{text}" if text[:1].isspace() else f"{start} {text}"
    if start and text.strip() and text.rstrip()[-1] not in ".!?":
        text = f"{text.rstrip()}."  # a stop at the end of the first clause
    return parse(text)


def _hopeless(answer: str | ModelError) -> bool:
    """Whether asking again at once is of no use: the server itself failed."""
    return isinstance(answer, ModelError) and answer.code in _SERVER_CODES


_SERVER_CODES = frozenset(
    {"timeout", "unreachable", "rate-limit", "server", "refused-key", "unknown-model", "bad-request", "model-failed"}
)
_STATUS = {
    401: ("refused-key", "refused the key; set DUALALIGN_MODEL_KEY"),
    403: ("refused-key", "refused the key; set DUALALIGN_MODEL_KEY"),
    404: ("unknown-model", "does not serve that model or path; compare its name with the server's list"),
    408: ("timeout", "gave no answer in time"),
    429: ("rate-limit", "asks for fewer requests; try later or lower the concurrency"),
}
_RETRYABLE = frozenset({"timeout", "unreachable", "rate-limit", "server"})


def _translate(error: Exception, name: str) -> ModelError:
    """A provider's exception as ours. Its text is left out: it may hold keys, addresses and the prompt."""
    if isinstance(error, ModelError):
        return error
    status, kind = getattr(error, "status_code", None), type(error).__name__
    if isinstance(status, int) and status in _STATUS:
        code, why = _STATUS[status]
    elif isinstance(status, int) and status >= 500:  # noqa: PLR2004 -- HTTP's class of server errors
        code, why = "server", f"failed with HTTP {status}; try again"
    elif isinstance(status, int):
        code, why = "bad-request", f"refused the request with HTTP {status}"
    elif isinstance(error, TimeoutError) or "Timeout" in kind:
        code, why = "timeout", "gave no answer in time"
    elif isinstance(error, ConnectionError) or "Connect" in kind:
        code, why = "unreachable", "cannot be reached; is the server running, and is DUALALIGN_MODEL_URL right?"
    else:
        code, why = "model-failed", f"failed with {kind}"
    return ModelError(f"model {name} {why}", code=code, retryable=code in _RETRYABLE)
