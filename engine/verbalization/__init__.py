"""From plan to sentence: prompts, chat models, the local model, templates and the answer cache."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING

from engine.verbalization.decoding import LOCAL, SERVER, SMALL, Decoding, with_choices
from engine.verbalization.port import Request, Verbalizer
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.language_models.chat_models import BaseChatModel

    from engine.settings import Settings
    from engine.verbalization.chain import ChainVerbalizer
    from ontology.pack import Pack

__all__ = ["Request", "Verbalizer", "open_verbalizer", "prompt_id"]

_OWN = ("template", "local", "vllm:NAME", "ollama:NAME")
_PROVIDERS = (
    "openai",
    "anthropic",
    "azure_openai",
    "google_genai",
    "google_vertexai",
    "bedrock",
    "mistralai",
    "groq",
    "cohere",
)
_VLLM, _OLLAMA = "http://127.0.0.1:8000/v1", "http://127.0.0.1:11434/v1"


def open_verbalizer(
    spec: str | BaseChatModel,
    pack: Pack,
    settings: Settings,
    *,
    cache: bool = True,
    decoding: Mapping[str, float] | None = None,
) -> Verbalizer:
    """The verbalizer that `spec` names: `template` (no model), `local`, `vllm:NAME`, `ollama:NAME`, `PROVIDER:NAME` as
    LangChain's `init_chat_model` takes it, or a chat model itself. With `cache` answers are kept in the cache folder.
    `decoding`: what a recipe sets of how the model is asked.

    Nothing is asked or started before the first `write`. ConfigError names the nearest right spelling of an unknown one, or the
    decoding that it does not know;
    MissingExtra says what to install. `settings.model_url` is where vLLM or Ollama listens (default: this machine).
    """
    if spec == "template":
        from engine.verbalization.template import TemplateVerbalizer

        return TemplateVerbalizer(pack)
    chosen = decoding or {}
    made = _named(spec.strip(), pack, settings, chosen) if isinstance(spec, str) else _given(spec, pack, chosen)
    if not cache:
        return made
    from engine.verbalization.cache import CachedVerbalizer

    return CachedVerbalizer(made, settings.cache / "answers.sqlite3")


def prompt_id(spec: str | BaseChatModel, pack: Pack, decoding: Mapping[str, float] | None = None) -> str:
    """Twelve digits that change when what `spec` is asked with does; "" for templates, which ask nobody."""
    from engine.verbalization.prompts import BRIEF, FULL, prompt_id

    if spec == "template":
        return ""
    brief = spec == "local" or (decoding or {}).get("brief")
    return prompt_id(pack, BRIEF if brief else FULL)


def _given(model: BaseChatModel, pack: Pack, chosen: Mapping[str, float]) -> ChainVerbalizer:
    from engine.verbalization.chain import ChainVerbalizer, is_chat_model

    if not is_chat_model(model):
        raise ConfigError(
            f"a {type(model).__name__} is no model; give one of {', '.join(_OWN)}, PROVIDER:NAME, or a LangChain chat model"
        )
    known = (str(value) for key in ("model_name", "model", "model_id") if (value := getattr(model, key, "")))
    kind = type(model).__name__
    return ChainVerbalizer(
        model,
        pack,
        name=_name(f"{kind}:{next(known, '')}".rstrip(":")),
        decoding=with_choices(Decoding(seeded=False), chosen),
    )


def _named(spec: str, pack: Pack, settings: Settings, chosen: Mapping[str, float]) -> ChainVerbalizer:
    provider, _, model = spec.partition(":")
    if spec == "local":
        return _local(pack, with_choices(LOCAL, chosen, spec))
    if not model or not re.fullmatch(r"[a-z][a-z0-9_]*", provider):
        raise _unknown(spec)
    from engine.verbalization.chain import ChainVerbalizer, chat_model, disconnect, openai_chat
    from engine.verbalization.prompts import BRIEF, FULL
    from engine.verbalization.transport import Budget, Prices

    if provider in {"vllm", "ollama"}:
        url = settings.model_url or (_VLLM if provider == "vllm" else _OLLAMA)
        usual = SMALL if chosen.get("brief") else SERVER
        asked = replace(
            with_choices(usual, chosen, spec),
            concurrency=settings.model_concurrency or SERVER.concurrency,
            timeout=settings.model_timeout or SERVER.timeout,
        )
        budget = Budget(settings.model_tokens, settings.model_money, Prices(*settings.model_prices))
        own = openai_chat(model, url, settings.model_key, asked, loopback=not settings.model_url, budget=budget)
        form = BRIEF if asked.brief else FULL
        return ChainVerbalizer(own, pack, name=_name(spec), decoding=asked, form=form, close=partial(disconnect, own))
    decoding = with_choices(Decoding(seeded=False), chosen, spec)
    try:
        return ChainVerbalizer(chat_model(spec, decoding), pack, name=_name(spec), decoding=decoding)
    except ImportError as error:
        if "nstall" not in str(error):
            raise
        from ontology.errors import MissingExtra

        package = re.search(r"langchain-[a-z-]+", str(error))
        raise MissingExtra(
            f"LangChain's adapter for {provider}", f"pip install {package[0] if package else 'its package'}"
        ) from None
    except ValueError:
        raise _unknown(spec) from None
    except Exception as error:  # noqa: BLE001 -- each provider has its own; their texts may hold keys
        raise ConfigError(
            f"the model {_name(spec)} cannot be set up ({type(error).__name__}); is its provider's key in the environment?"
        ) from None


def _local(pack: Pack, decoding: Decoding) -> ChainVerbalizer:
    from engine.verbalization import local
    from engine.verbalization.chain import ChainVerbalizer, disconnect, openai_chat
    from engine.verbalization.prompts import BRIEF

    server = local.acquire()
    made: dict[str, BaseChatModel] = {}

    def forget() -> None:
        while made:
            disconnect(made.popitem()[1])

    def close() -> None:
        forget()
        local.release()

    def connect() -> BaseChatModel:
        url = server.url()
        if url not in made:
            forget()
            made[url] = openai_chat(local.NAME, url, server.key, decoding, loopback=True)
        return made[url]

    return ChainVerbalizer(
        connect,
        pack,
        name=local.NAME,
        decoding=decoding,
        form=BRIEF,
        identity=f"{server.weights.name}:{server.weights.stat().st_size}",
        close=close,
    )


def _unknown(spec: str) -> ConfigError:
    right = [*_OWN, *(f"{provider}:NAME" for provider in _PROVIDERS)]
    head = spec.partition(":")[0].lower()
    near = get_close_matches(head, [r.partition(":")[0] for r in right], 1, 0.0)
    full = next(r for r in right if r.partition(":")[0] == near[0])
    return ConfigError(
        f"{spec[:80]!r} is no model; the nearest is {full!r} (also: {', '.join(_OWN)}, or PROVIDER:NAME)"
    )


def _name(text: str) -> str:
    """A name for records: one line of printable characters, at most 120."""
    return "".join(c for c in text if c.isprintable() and not c.isspace())[:120]
