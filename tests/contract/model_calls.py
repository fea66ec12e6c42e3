"""Calls of the scripted server: transport, verbalizer, requests."""

from __future__ import annotations

from contextlib import closing
from functools import partial

from engine.plan import Plan
from engine.verbalization.chain import ChainVerbalizer, disconnect, openai_chat
from engine.verbalization.decoding import Decoding
from engine.verbalization.port import Request
from engine.verbalization.transport import Policy, Transport
from ontology.pack import Pack

PACK = Pack("p", "P", "1", "C0002395", "", *[()] * 14)
SECRET = "sk-very-secret"


def transport(server, **policy):
    return closing(Transport("m", server.url, SECRET, Policy(**{"seed": 1, **policy}), loopback=True))


def verbalizer(server, **decoding):
    asked = Decoding(**{"concurrency": 64, "retries": 4, "timeout": 5.0, **decoding})
    model = openai_chat("m", server.url, SECRET, asked, loopback=True)
    return ChainVerbalizer(model, PACK, name="m", decoding=asked, close=partial(disconnect, model))


def requests(count):
    return [Request(Plan("mood", "Mood.", phrase=f"apathy{i}", entity="sign"), seed=i) for i in range(count)]


def written(server, count, asked=None, **decoding):
    with closing(verbalizer(server, **decoding)) as model:
        return model.write(asked or requests(count)), dict(server.asked)


def echo(prompt):
    word = prompt.split('exactly: "')[1].split('"')[0]
    return f"Patient reports {word}."
