"""What is asked of a server, and how several answers of one call are read: form, samples, several plans a request."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace

import pytest
from click.testing import CliRunner
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda

from engine.cli import cli
from engine.plan import Plan
from engine.settings import Settings
from engine.verbalization import open_verbalizer
from engine.verbalization.chain import ChainVerbalizer
from engine.verbalization.decoding import Decoding
from engine.verbalization.port import Request
from engine.verbalization.prompts import Prompts
from engine.verbalization.server_chat import ServerChat
from engine.verbalization.transport import Transport
from faulty_model import FaultyModel, strike
from model_calls import PACK, SECRET, echo, requests, verbalizer, written
from ontology.errors import ConfigError


def test_structured_answers_are_asked_for_and_a_server_without_them_is_asked_plainly():
    sent = []

    class Plain(FaultyModel):
        async def _complete(self, body, writer):
            sent.append("response_format" in body)
            if sent[-1]:
                writer.write(b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n")
                return True
            return await super()._complete(body, writer)

    with Plain(answer=echo) as server, closing(verbalizer(server, structured=True)) as model:
        assert model.write(requests(1) + requests(1)) == ["Patient reports apathy0."] * 2
        model.write(requests(3))
        assert sent[-3:] == [False] * 3
        assert True in sent


def test_a_small_model_of_a_server_goes_on_from_the_first_words_of_its_answer(tmp_path):
    sent = []

    class Small(FaultyModel):
        async def _complete(self, body, writer):
            sent.append(body)
            return await super()._complete(body, writer)

    with Small(answer=lambda _start: " apathy0") as server:
        settings = Settings.load(model_url=server.url, cache=tmp_path)
        with closing(open_verbalizer("vllm:m", PACK, settings, cache=False, decoding={"brief": 1})) as model:
            (text,) = model.write(requests(1))
        with closing(open_verbalizer("vllm:m", PACK, settings, cache=False)) as model:
            model.write(requests(1))
    brief, full = sent[0], sent[-1]
    start = brief["messages"][-1]
    assert start["role"] == "assistant"
    assert text == f"{start['content']} apathy0."
    assert len(brief["stop"]) <= 4  # OpenAI's most, which vLLM holds to
    assert (brief["continue_final_message"], brief["add_generation_prompt"]) == (True, False)
    assert full["messages"][-1]["role"] == "user"
    assert not {"continue_final_message", "add_generation_prompt"} & full.keys()


def test_the_short_form_is_not_put_to_ollama(tmp_path, monkeypatch):
    """What makes vLLM go on from the model's own words is not in Ollama's API."""
    says = "brief is for vllm:NAME, not for ollama:m"
    with FaultyModel() as server:
        settings = Settings.load(model_url=server.url, cache=tmp_path)
        with pytest.raises(ConfigError) as caught:
            open_verbalizer("ollama:m", PACK, settings, decoding={"brief": 1})
        assert says in str(caught.value.issues)
        monkeypatch.setenv("DUALALIGN_MODEL_URL", server.url)
        order = "generate -n 2 --model ollama:m --catalog pack --decoding brief=true"
        with pytest.raises(ConfigError) as caught:
            CliRunner().invoke(cli, order.split(), catch_exceptions=False)
        assert says in str(caught.value.issues)
        with closing(open_verbalizer("ollama:m", PACK, settings)) as model:
            assert model.write(requests(1)) == ["Patient reports apathy over the past month."]
        assert sum(server.asked.values()) == 1


def test_of_the_samples_of_one_request_the_best_is_taken():
    class Two(FaultyModel):
        def _bytes(self, fault, prompt):
            made = super()._bytes(fault, prompt).split(b"\r\n\r\n", 1)[1]
            import json

            data = json.loads(made)
            bad = {"index": 1, "finish_reason": "stop", "message": {"content": "Something else entirely."}}
            data["choices"].insert(0, bad)
            body = json.dumps(data).encode()
            return b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    with Two(answer=echo) as server, closing(verbalizer(server, samples=2)) as model:
        assert model.write(requests(3)) == [f"Patient reports apathy{i}." for i in range(3)]
        assert sum(server.asked.values()) == 3


def test_a_servers_model_is_a_langchain_model_and_asks_the_same_as_the_verbalizer():
    bodies, told = [], []

    class Kept(FaultyModel):
        async def _complete(self, body, writer):
            bodies.append(body)
            return await super()._complete(body, writer)

    class Told(BaseCallbackHandler):
        def on_llm_end(self, response, **_):
            told.append(response.generations[0][0].text)

    decoding = Decoding(concurrency=4, stop=("\n",), samples=2)
    request = Request(Plan("mood", "Mood.", phrase="apathy \ud800 caf\u00e9", entity="sign"), seed=7)
    with Kept() as server, closing(Transport("m", server.url, SECRET, loopback=True)) as calls:
        model = ServerChat(calls, samples=2)
        text = ChainVerbalizer(model, PACK, name="m", decoding=decoding).write([request])
        chat = Prompts(PACK).messages(request)
        chain = RunnableLambda(lambda asked: asked) | model.bind(seed=7, stop=["\n"]) | StrOutputParser()
        assert [chain.invoke(chat, {"callbacks": [Told()]})] == told == text
        assert chain.batch([chat] * 3) == text * 3
        assert list(chain.stream(chat)) == text
        assert asyncio.run(chain.ainvoke(chat)) == text[0]
        assert model.invoke(chat).response_metadata["finish_reason"] == "stop"
    assert len(bodies) == 8
    assert all(body == bodies[0] for body in bodies[:-1])


# ---- several sentences a request


def numbered(*said):
    return lambda _prompt: "\n".join(f"{i}. {text}" for i, text in enumerate(said, 1))


def test_several_plans_of_a_request_get_a_sentence_each():
    said = [f"Patient reports apathy number {word}." for word in ("one", "two", "three", "four")]
    with FaultyModel(answer=numbered(*said)) as server:
        answers, asked = written(server, 8, together=4)
    assert answers == said * 2
    assert sum(asked.values()) == 2
    assert all("Plan 4" in prompt for prompt in asked)


def test_a_plan_that_was_not_answered_is_named_and_the_others_stand():
    with FaultyModel(
        answer=lambda _: "1. Patient reports apathy.\n3. Wife reports falls.\n3. Wife reports falls."
    ) as server:
        answers, _ = written(server, 3, together=3)
    assert [getattr(answer, "code", answer) for answer in answers] == [
        "Patient reports apathy.",
        "not-answered",
        "answered-twice",
    ]


def test_an_answer_to_several_that_was_cut_gives_what_stands_before_the_cut():
    script = strike(("length",), 1.0)
    with FaultyModel(script, cut="1. Patient reports apathy.\n2. Wife repo") as server:
        answers, _ = written(server, 3, together=3)
    assert [getattr(answer, "code", answer) for answer in answers] == ["Patient reports apathy.", "length", "length"]


def test_a_repair_is_asked_alone():
    with FaultyModel(answer=numbered("Patient reports apathy.", "Wife reports falls.")) as server:
        again = [replace(request, previous="Apathy.") for request in requests(2)]
        written(server, 2, together=2, asked=again)
        assert sum(server.asked.values()) == 2
