"""`ServerChat`: an OpenAI-compatible server as a LangChain chat model, over our transport."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from engine.verbalization.transport import Reply, Transport  # noqa: TC001 -- pydantic reads the annotation
from ontology.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.messages import BaseMessage

__all__ = ["ServerChat"]

_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
_SENTENCE = {
    "type": "json_schema",
    "json_schema": {
        "name": "sentence",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"sentence": {"type": "string"}},
            "required": ["sentence"],
            "additionalProperties": False,
        },
    },
}


class ServerChat(BaseChatModel):
    """A chat model whose calls, sync or async, alone or thousands at once, go through one `Transport`. A failed call raises its
    ModelError. `structured`: answers are asked for as JSON by a schema; a server that refuses that is asked for plain
    text from then on. `goes_on`: a chat that ends with the model's own words is gone on with, as vLLM has to be told.
    """

    temperature: float = 0.7
    max_tokens: int = 120
    samples: int = 1
    structured: bool = False
    goes_on: bool = False
    _transport: Transport = PrivateAttr()
    _plain: bool = PrivateAttr(default=False)

    def __init__(self, transport: Transport, **options: Any) -> None:
        super().__init__(**options)
        self._transport = transport

    @property
    def transport(self) -> Transport:
        """What sends the calls, and counts them."""
        return self._transport

    @property
    def _llm_type(self) -> str:
        return "dualalign-server"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self._transport.model, "temperature": self.temperature, "max_tokens": self.max_tokens}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager
        return self._transport.run(self._complete(messages, stop, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager
        work = self._complete(messages, stop, kwargs)
        if self._transport.is_current():
            return await work
        return await asyncio.wrap_future(self._transport.submit(work))

    async def _complete(self, messages: list[BaseMessage], stop: list[str] | None, extra: dict[str, Any]) -> ChatResult:
        chat = [(_ROLES[message.type], str(message.text)) for message in messages]
        answer = await self.complete(chat, {**extra, "stop": stop} if stop else extra)
        if isinstance(answer, ModelError):
            raise answer
        return ChatResult(
            generations=[
                ChatGeneration(message=AIMessage(text, response_metadata={"finish_reason": reason}))
                for text, reason in answer.choices
            ]
        )

    async def complete(
        self,
        chat: Sequence[tuple[str, str]],
        options: Mapping[str, Any],
        hold: list[Callable[[], None]] | None = None,
    ) -> Reply | ModelError:
        """The same call of a chat of (role, text), with OpenAI's roles and further options; in the transport's loop only.

        LangChain's methods end here too. Called by itself it leaves out what they do around each call (messages as objects, run ids,
        callbacks, its own cache), which costs more than the call. `hold` as in `Transport.send`.
        """
        body: dict[str, Any] = {
            "messages": [{"role": role, "content": _printable(text)} for role, text in chat],
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            **options,
        }
        if self.goes_on and chat[-1][0] == "assistant":
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        if self.samples > 1:
            body["n"] = self.samples
        structured = self.structured and not self._plain
        answer = await self._transport.send({**body, "response_format": _SENTENCE} if structured else body, hold)
        if structured and isinstance(answer, ModelError) and answer.code == "bad-request":
            answer = await self._transport.send(body, hold)
            self._plain = self._plain or not isinstance(answer, ModelError)
        return answer


def _printable(text: str) -> str:
    """The same without lone surrogates, which no server could decode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
