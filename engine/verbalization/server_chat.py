"""`ServerChat`: an OpenAI-compatible server as a LangChain chat model, over our transport."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from engine.verbalization.transport import Transport  # noqa: TC001 -- pydantic reads the annotation
from ontology.errors import ModelError

if TYPE_CHECKING:
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
    text from then on. `goes_on`: a chat that ends with the model's own words is gone on with, as vLLM has to be told. The
    option `hold` of a call goes to `Transport.send`.
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
        body: dict[str, Any] = {
            "messages": [{"role": _ROLES[m.type], "content": _printable(str(m.text))} for m in messages],
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            **extra,
        }
        if self.goes_on and messages[-1].type == "ai":
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        if stop:
            body["stop"] = stop
        if self.samples > 1:
            body["n"] = self.samples
        hold = body.pop("hold", None)
        structured = self.structured and not self._plain
        answer = await self._transport.send({**body, "response_format": _SENTENCE} if structured else body, hold)
        if structured and isinstance(answer, ModelError) and answer.code == "bad-request":
            answer = await self._transport.send(body, hold)
            self._plain = self._plain or not isinstance(answer, ModelError)
        if isinstance(answer, ModelError):
            raise answer
        return ChatResult(
            generations=[
                ChatGeneration(message=AIMessage(text, response_metadata={"finish_reason": reason}))
                for text, reason in answer.choices
            ]
        )


def _printable(text: str) -> str:
    """The same without lone surrogates, which no server could decode."""
    return text.encode("utf-8", "replace").decode("utf-8")
