"""Sentences from any chat model: prompt, model, parser as one LangChain runnable. It and `server_chat` know LangChain."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableLambda

from engine.verbalization.answers import faults, parse, parse_numbered
from engine.verbalization.decoding import SERVER, Decoding
from engine.verbalization.openings import opening
from engine.verbalization.prompts import PromptForm, Prompts, prompt_id
from engine.verbalization.server_chat import ServerChat
from engine.verbalization.telling import Telling
from engine.verbalization.transport import Budget, Policy, Transport
from engine.verbalization.transport.replies import fault, of_status
from ontology.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.verbalization.port import Request
    from engine.verbalization.telling import Done
    from ontology.pack import Pack


__all__ = ["ChainVerbalizer", "chat_model", "disconnect", "is_chat_model", "openai_chat"]

_BEGUN = 16
"""Requests that are begun, for each that may be asked at once: pauses before another try leave places to the others. The rest takes no
memory yet."""
_SEED_STEP = 0x9E3779B1  # odd, so the candidates of neighbouring seeds never meet


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
        self._prompts = Prompts(pack, self.form)
        settled = {k: v for k, v in asdict(decoding).items() if k not in _NO_MATTER}
        self._settled = json.dumps([name, identity, settled], sort_keys=True)
        self.prompt = prompt_id(pack, self.form)
        self._model, self._pack, self._close = model, pack, close

    def write(self, requests: Sequence[Request], done: Done | None = None) -> list[str | ModelError]:
        """One sentence, or the reason for none, a request, in order; at most `decoding.concurrency` questions at once.

        `done` is told the answers by their places as soon as they are known, those that come together at once, from whatever thread
        knows them.
        """
        tell = done or (lambda _answers: None)
        try:
            model = self._model if isinstance(self._model, BaseChatModel) else self._model()
        except ModelError as error:
            return [error] * len(requests)
        if isinstance(model, ServerChat):
            return model.transport.run(self._flow(model, requests, tell))
        best = self._rounds(model, requests)
        tell(dict(enumerate(best)))
        return best

    async def _flow(self, model: ServerChat, requests: Sequence[Request], done: Done) -> list[str | ModelError]:
        """As many requests on their way as the server can take, and more that wait for a place: none waits for another to be answered."""
        best: list[str | ModelError] = [_NOT_ASKED] * len(requests)
        fewest = [_WORST + 1] * len(requests)
        bundles = iter(self._bundles(requests))
        telling = Telling(done)

        async def bundle(places: Sequence[int]) -> None:
            waiting = list(places)
            for attempt in range(self.decoding.candidates):
                hold = list[Callable[[], None]]()
                answers = await self._asked(model, [requests[i] for i in waiting], attempt, hold)
                last = attempt + 1 == self.decoding.candidates
                for i, found in zip(waiting, answers, strict=True):
                    best[i], fewest[i] = self._better(requests[i], best[i], fewest[i], found)
                again = [i for i in waiting if not last and fewest[i] and not _hopeless(best[i])]
                await telling.tell({i: best[i] for i in waiting if i not in again}, hold)
                waiting = again
                if not waiting:
                    break

        async def go() -> None:
            for places in bundles:
                await bundle(places)

        await asyncio.gather(*(go() for _ in range(min(len(requests), _BEGUN * self.decoding.concurrency))))
        return best

    def _bundles(self, requests: Sequence[Request]) -> list[list[int]]:
        """Places of requests that are asked together, in the order in which they are sent. Repairs are asked alone."""
        order = sorted(range(len(requests)), key=lambda i: self._head(requests[i]))
        bundles: list[list[int]] = []
        for i in order:
            last = bundles[-1] if bundles else []
            if (
                0 < len(last) < self.decoding.together
                and not requests[i].previous
                and not requests[last[0]].previous
                and self._head(requests[last[0]]) == self._head(requests[i])
            ):
                last.append(i)
            else:
                bundles.append([i])
        return bundles

    async def _asked(
        self, model: ServerChat, requests: Sequence[Request], attempt: int, hold: list[Callable[[], None]]
    ) -> list[list[str | ModelError]]:
        """The answers to each of the requests that one call asks for."""
        alone = len(requests) == 1
        chat = self._prompts.messages(requests[0]) if alone else self._prompts.together(requests)
        options = self._options(requests[0], attempt)
        if not alone:
            options = {**options, "max_tokens": self.decoding.max_tokens * len(requests)}
        try:
            answer = await model.complete(chat, options, hold)
        except Exception as error:  # noqa: BLE001 -- ours as it is, anything else translated
            answer = _translate(error, self.name)
        if isinstance(answer, ModelError):
            return [[answer] for _ in requests]
        if alone:
            return [[self._parsed(requests[0], *choice) for choice in answer.choices]]
        return [
            list(found) for found in zip(*(_many(*choice, len(requests)) for choice in answer.choices), strict=True)
        ]

    def _parsed(self, request: Request, text: str, reason: str) -> str | ModelError:
        return _read(text, reason, opening(request) if self.form.brief else "")

    def _better(
        self, request: Request, best: str | ModelError, fewest: int, answers: Sequence[str | ModelError]
    ) -> tuple[str | ModelError, int]:
        """The better of what is there and of new answers, and how many faults it has; a single answer is taken unseen."""
        if self.decoding.candidates == len(answers) == 1:
            return answers[0], 0
        for answer in answers:
            wrong = _WORST if isinstance(answer, ModelError) else len(faults(request, answer, self._pack))
            if wrong < fewest:
                best, fewest = answer, wrong
        return best, fewest

    def _rounds(self, model: BaseChatModel, requests: Sequence[Request]) -> list[str | ModelError]:
        """The same over any other chat model, in its own threads."""
        best: list[str | ModelError] = [_NOT_ASKED] * len(requests)
        fewest = [_WORST + 1] * len(requests)
        waiting = sorted(range(len(requests)), key=lambda i: self._head(requests[i]))
        for attempt in range(self.decoding.candidates):
            if not waiting:
                break
            answers = self._ask(model, [requests[i] for i in waiting], attempt)
            for i, answer in zip(waiting, answers, strict=True):
                best[i], fewest[i] = self._better(requests[i], best[i], fewest[i], [answer])
            waiting = [i for i in waiting if fewest[i] and not _hopeless(best[i])]
        return best

    @property
    def usage(self) -> tuple[int, int, float]:
        """Tokens of prompts and of answers, and money, that the calls cost so far; zeros where the model keeps no count."""
        report = self._model.transport.report if isinstance(self._model, ServerChat) else None
        return (report.prompt_tokens, report.answer_tokens, report.money) if report else (0, 0, 0.0)

    def key(self, request: Request) -> str:
        """SHA-256 of all that settles the answer: model, decoding and messages. Where the server is does not count."""
        parts = json.dumps([request.seed, self._prompts.messages(request)])
        return hashlib.sha256(f"{self._settled}{parts}".encode("utf-8", "surrogatepass")).hexdigest()

    def close(self) -> None:
        """Gives back the server behind the model, if it is ours."""
        close, self._close = self._close, None
        if close is not None:
            close()

    def _head(self, request: Request) -> tuple[tuple[str, str], ...]:
        """What stands before the plan: requests that share it are asked one after the other, for the server's cache."""
        return self._prompts.head(request.plan)

    def _ask(self, model: BaseChatModel, requests: Sequence[Request], attempt: int) -> list[str | ModelError]:
        chain = self._chain(model, attempt)
        answers = chain.batch(list(requests), {"max_concurrency": self.decoding.concurrency}, return_exceptions=True)
        return [_translate(answer, self.name) if isinstance(answer, Exception) else answer for answer in answers]

    def _options(self, request: Request, attempt: int) -> dict[str, Any]:
        """The options of one question."""
        seed = (request.seed + attempt * _SEED_STEP) & 0x7FFFFFFF
        options: dict[str, Any] = {"seed": seed} if self.decoding.seeded else {}
        if stop := [s for s in self.decoding.stop if s not in request.plan.phrase]:
            options["stop"] = stop
        return options

    def _chain(self, model: BaseChatModel, attempt: int) -> Runnable[Request, str | ModelError]:
        def prompt(request: Request) -> dict[str, Any]:
            chat = self._prompts.messages(request)
            return {"chat": convert_to_messages(chat), "options": self._options(request, attempt)}

        def ask(asked: dict[str, Any]) -> AIMessage:
            return model.invoke(asked["chat"], **asked["options"])

        def read(answer: dict[str, Any]) -> str | ModelError:
            return self._parsed(answer["request"], *_said(answer["message"]))

        def both(request: Request) -> dict[str, Any]:
            return {"request": request, "message": (RunnableLambda(prompt) | RunnableLambda(ask)).invoke(request)}

        return RunnableLambda(both) | RunnableLambda(read)


def openai_chat(
    name: str, url: str, key: str, decoding: Decoding, *, loopback: bool = False, budget: Budget | None = None
) -> ServerChat:
    """A chat model behind an OpenAI-compatible server; `disconnect` ends its connections. With `loopback` no proxy of the
    environment is used.
    """
    policy = Policy(
        concurrency=decoding.concurrency,
        tries=decoding.retries + 1,
        timeout=decoding.timeout,
        budget=budget or Budget(),
    )
    return ServerChat(
        Transport(name, url, key, policy, loopback=loopback),
        temperature=decoding.temperature,
        max_tokens=decoding.max_tokens,
        samples=decoding.samples,
        structured=decoding.structured,
        goes_on=decoding.brief,
    )


def disconnect(model: BaseChatModel) -> None:
    """Closes the connections of a model that `openai_chat` made."""
    if isinstance(model, ServerChat):
        model.transport.close()


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


def _said(message: BaseMessage) -> tuple[str, str]:
    """The text of a message, and why the model ended it."""
    about = message.response_metadata
    reason = about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason") or ""
    return str(message.text), str(reason)


def _many(text: str, reason: str, count: int) -> list[str | ModelError]:
    """The sentences of an answer to several plans; of one that was cut what stands before the cut."""
    why = _stopped(reason)
    if isinstance(why, ModelError) and why.code != "length":
        return [why] * count
    found = parse_numbered(text, count)
    if why is not None:
        written = [i for i, answer in enumerate(found) if isinstance(answer, str)]
        found = [answer if i in written[:-1] else why for i, answer in enumerate(found)]
    return found


def _read(text: str, reason: str, start: str) -> str | ModelError:
    if why := _stopped(reason):
        return why
    if start and not text.startswith(start):
        text = f"{start}{text}" if text[:1].isspace() else f"{start} {text}"
    if start and text.strip() and text.rstrip()[-1] not in ".!?":
        text = f"{text.rstrip()}."  # a stop at the end of the first clause
    return parse(text)


def _stopped(reason: str) -> ModelError | None:
    """Why the model did not end by itself."""
    if reason in {"length", "max_tokens"}:
        return ModelError("the answer was cut at the most tokens allowed", code="length")
    if reason in {"refusal", "content_filter"}:
        return ModelError("the model refused to write the sentence", code="refusal")
    return None


def _hopeless(answer: str | ModelError) -> bool:
    """Whether asking again at once is of no use: the server itself failed."""
    return isinstance(answer, ModelError) and answer.code in _SERVER_CODES


_SERVER_CODES = frozenset(
    {
        "budget",
        "timeout",
        "unreachable",
        "rate-limit",
        "server",
        "refused-key",
        "unknown-model",
        "bad-request",
        "model-failed",
    }
)
_NO_MATTER = frozenset({"timeout", "concurrency", "retries", "brief"})  # the messages themselves tell a form
_NOT_ASKED = ModelError("not asked", code="model-failed")
_WORST = 999


def _translate(error: Exception, name: str) -> ModelError:
    """A provider's exception as ours. Its text is left out: it may hold keys, addresses and the prompt."""
    if isinstance(error, ModelError):
        return error
    status, kind = getattr(error, "status_code", None), type(error).__name__
    if isinstance(status, int):
        return of_status(status, name)
    if isinstance(error, TimeoutError) or "Timeout" in kind:
        return fault("timeout", "gave no answer in time", name)
    if isinstance(error, ConnectionError) or "Connect" in kind:
        return fault("unreachable", "cannot be reached; is the server running, and is DUALALIGN_MODEL_URL right?", name)
    return fault("model-failed", f"failed with {kind}", name)
