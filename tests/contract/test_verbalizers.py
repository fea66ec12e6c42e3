"""What every verbalizer must do; and the chain against scripted models and a scripted server on loopback."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from engine.plan import Plan
from engine.settings import Settings
from engine.testing import Scripted
from engine.verbalization import open_verbalizer, prompt_id
from engine.verbalization.cache import CachedVerbalizer
from engine.verbalization.chain import ChainVerbalizer, disconnect, openai_chat
from engine.verbalization.decoding import Decoding
from engine.verbalization.port import Request
from ontology.errors import ConfigError, MissingExtra, ModelError
from ontology.pack import Pack

PACK = Pack("p", "P", "1", "C0002395", "", *[()] * 14)
SECRET = "sk-very-secret"


def plan(phrase="apathy"):
    return Plan("mood", "A change of mood.", phrase=phrase, entity="sign")


class Model(BaseChatModel):
    """Answers with what `script` makes of the last message."""

    script: Any
    calls: list[Any] = []  # noqa: RUF012 -- pydantic copies it for each model

    @property
    def _llm_type(self):
        return "scripted"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self.calls.append((messages, kwargs))
        said = self.script(str(messages[-1].content))
        if isinstance(said, AIMessage):
            return ChatResult(generations=[ChatGeneration(message=said)])
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said))])


def chain(script, **options):
    options.setdefault("decoding", Decoding(concurrency=3))
    return ChainVerbalizer(Model(script=script), PACK, name="scripted", **options)


def echo(asked):
    word = asked.split('exactly: "')[1].split('"')[0]
    return f"Patient reports {word}."


@pytest.fixture(params=["chain", "cached", "scripted", "fake-list"])
def verbalizer(request, tmp_path):
    made = {
        "chain": lambda: chain(echo),
        "cached": lambda: CachedVerbalizer(chain(echo), tmp_path / "answers.sqlite3"),
        "scripted": lambda: Scripted(lambda request: f"Patient reports {request.plan.phrase}."),
        "fake-list": lambda: ChainVerbalizer(FakeListChatModel(responses=["Patient reports a0."]), PACK, name="fake"),
    }[request.param]()
    yield made
    made.close()


def test_one_answer_a_request_in_order(verbalizer):
    answers = verbalizer.write([Request(plan(f"a{i}"), seed=i) for i in range(12)])
    assert len(answers) == 12
    if verbalizer.name != "fake":
        assert answers == [f"Patient reports a{i}." for i in range(12)]


def test_nothing_asked_nothing_answered(verbalizer):
    assert verbalizer.write([]) == []


def test_it_has_a_name_and_closes_twice(verbalizer):
    assert verbalizer.name
    verbalizer.close()
    verbalizer.close()


def test_one_failure_does_not_lose_the_others():
    def script(asked):
        if "a3" in asked:
            raise RuntimeError(f"boom at http://10.0.0.1/v1 with {SECRET}")
        return echo(asked)

    answers = chain(script).write([Request(plan(f"a{i}")) for i in range(6)])
    assert [isinstance(a, ModelError) for a in answers] == [i == 3 for i in range(6)]
    assert answers[3].code == "model-failed"
    assert not answers[3].retryable
    assert SECRET not in str(answers[3])
    assert "http" not in str(answers[3])
    assert answers[3].__cause__ is None


def test_no_more_questions_at_once_than_allowed():
    now, most, lock = [0], [0], threading.Lock()

    def script(asked):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return echo(asked)

    chain(script).write([Request(plan(f"a{i}")) for i in range(12)])
    assert 2 <= most[0] <= 3


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("", "empty"),
        ("y" * 1_000_000, "too-long"),
        ("Patient\x00 reports apathy.", "control-characters"),
        ("Patient \u202ereports apathy.", "control-characters"),
        ("I'm sorry, I can't help with that.", "refusal"),
        ('{"a": 1}', "format"),
        (AIMessage("Patient reports", response_metadata={"finish_reason": "length"}), "length"),
        (AIMessage([{"type": "text", "text": ""}]), "empty"),
    ],
)
def test_hostile_answers_are_reasons(said, code):
    answer = chain(lambda _: said).write([Request(plan())])[0]
    assert isinstance(answer, ModelError)
    assert answer.code == code


@pytest.mark.parametrize(
    "said",
    [
        "**Patient reports apathy.**",
        "Patient reports apathy. She is 80.",
        AIMessage([{"type": "text", "text": "Patient reports apathy."}]),
    ],
)
def test_wrapped_answers_are_unwrapped(said):
    assert chain(lambda _: said).write([Request(plan())]) == ["Patient reports apathy."]


def test_the_best_of_the_candidates_is_taken():
    said = iter(["Patient reports something else.", "Patient reports apathy.", "never asked"])
    found = chain(lambda _: next(said), decoding=Decoding(candidates=3, concurrency=1)).write([Request(plan())])
    assert found == ["Patient reports apathy."]
    assert next(said) == "never asked"


def test_seed_goes_to_the_model_within_31_bits_and_changes_with_the_candidate():
    verbalizer = chain(lambda _: "Nothing.", decoding=Decoding(candidates=2, concurrency=1))
    verbalizer.write([Request(plan(), seed=2**61 + 5)])
    seeds = [kwargs["seed"] for _, kwargs in verbalizer._model.calls]
    assert len(set(seeds)) == 2
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_key_changes_with_all_that_settles_the_answer_and_with_nothing_else():
    base = chain(echo)
    request = Request(plan(), seed=1)
    assert base.key(request) == chain(echo, decoding=Decoding(timeout=1, concurrency=1, retries=9)).key(request)
    others = [
        base.key(Request(plan("other"), seed=1)),
        base.key(Request(plan(), seed=2)),
        base.key(Request(plan(), seed=1, previous="No.")),
        chain(echo, decoding=Decoding(temperature=0.1)).key(request),
        chain(echo, identity="other weights").key(request),
        ChainVerbalizer(Model(script=echo), PACK, name="other").key(request),
    ]
    assert len({base.key(request), *others}) == 7


def test_a_lone_surrogate_is_no_crash():
    answers = chain(lambda _: "Patient reports apathy.").write([Request(plan("a\ud800b"))])
    assert answers == ["Patient reports apathy."]
    assert chain(echo).key(Request(plan("a\ud800b")))


# ---- over HTTP


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.bodies, self.keys = script, [], []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.keys.append(self.headers["Authorization"])
        status, content, reason = self.server.script(len(self.server.bodies), body)
        message = {"role": "assistant", "content": content}
        answer: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        answer["choices"] = [{"index": 0, "finish_reason": reason, "message": message}]
        answer["usage"] = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        if status != 200:
            answer = {"error": {"message": f"no, {SECRET}", "type": "x", "code": None}}
        data = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass  # the client gave up first: that is what some tests are for

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    made = []

    def start(script):
        made.append(Server(script))
        return made[-1]

    yield start
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture
def over_http():
    made = []

    def start(server, **options):
        made.append(_over_http(server, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


def _over_http(server, **options):
    decoding = Decoding(**{"retries": 0, "timeout": 5.0, "temperature": 0.3, "max_tokens": 77, **options})
    url = server if isinstance(server, str) else server.url
    model = openai_chat("m", url, SECRET, decoding, loopback=True)
    return ChainVerbalizer(model, PACK, name="m", decoding=decoding, close=partial(disconnect, model))


def test_what_is_sent_to_a_server(serve, over_http):
    server = serve(lambda *_: (200, "Patient reports apathy.", "stop"))
    assert over_http(server, stop=("\n",)).write([Request(plan(), seed=9)]) == ["Patient reports apathy."]
    sent = server.bodies[0]
    assert (sent["model"], sent["temperature"], sent["max_tokens"], sent["seed"], sent["stop"]) == (
        "m",
        0.3,
        77,
        9,
        ["\n"],
    )
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert server.keys == [f"Bearer {SECRET}"]


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (500, "server", True),
        (503, "server", True),
        (429, "rate-limit", True),
        (401, "refused-key", False),
        (404, "unknown-model", False),
        (400, "bad-request", False),
        (418, "bad-request", False),
    ],
)
def test_errors_of_a_server_are_told_without_keys_or_addresses(serve, over_http, status, code, retryable):
    server = serve(lambda *_: (status, "", ""))
    error = over_http(server).write([Request(plan())])[0]
    assert isinstance(error, ModelError)
    assert (error.code, error.retryable) == (code, retryable)
    assert SECRET not in f"{error!r}{error}"
    assert "127.0.0.1" not in str(error)
    assert len(server.bodies) == 1


def test_a_server_that_recovers_is_asked_again(serve, over_http):
    server = serve(lambda number, _: (500, "", "") if number == 1 else (200, "Patient reports apathy.", "stop"))
    assert over_http(server, retries=2).write([Request(plan())]) == ["Patient reports apathy."]
    assert len(server.bodies) == 2


def test_a_failing_request_among_good_ones(serve, over_http):
    def script(_, body):
        asked = body["messages"][-1]["content"]
        return (500, "", "") if "a2" in asked else (200, echo(asked), "stop")

    answers = over_http(serve(script)).write([Request(plan(f"a{i}")) for i in range(5)])
    assert [a if isinstance(a, str) else a.code for a in answers] == [
        "server" if i == 2 else f"Patient reports a{i}." for i in range(5)
    ]


def test_a_cut_answer_is_a_reason(serve, over_http):
    server = serve(lambda *_: (200, "Patient reports", "length"))
    assert over_http(server).write([Request(plan())])[0].code == "length"


def test_a_server_that_sleeps_is_left(serve, over_http):
    gone = threading.Event()

    def script(*_):
        gone.wait(10)
        return 200, "Too late.", "stop"

    begun = time.monotonic()
    error = over_http(serve(script), timeout=0.3).write([Request(plan())])[0]
    gone.set()
    assert (error.code, error.retryable) == ("timeout", True)
    assert time.monotonic() - begun < 5


def test_a_server_that_is_not_there(over_http):
    error = over_http("http://127.0.0.1:9/v1").write([Request(plan())])[0]
    assert (error.code, error.retryable) == ("unreachable", True)


# ---- by name


@pytest.fixture
def settings(tmp_path):
    return Settings(cache=tmp_path)


def test_vllm_by_name_asks_the_server_of_the_settings(serve, tmp_path):
    server = serve(lambda *_: (200, "Patient reports apathy.", "stop"))
    settings = Settings(cache=tmp_path, model_url=server.url, model_key=SECRET)
    with closing(open_verbalizer("vllm:org/model-8B", PACK, settings)) as verbalizer:
        assert verbalizer.name == "vllm:org/model-8B"
        for _ in range(2):
            assert verbalizer.write([Request(plan())]) == ["Patient reports apathy."]
    assert len(server.bodies) == 1
    assert server.bodies[0]["model"] == "org/model-8B"
    assert SECRET.encode() not in (tmp_path / "answers.sqlite3").read_bytes()


def test_servers_of_ones_own_are_looked_for_on_this_machine(settings):
    for spec, address in (("vllm:m", "http://127.0.0.1:8000/v1"), ("ollama:phi4:14b", "http://127.0.0.1:11434/v1")):
        with closing(open_verbalizer(spec, PACK, settings, cache=False)) as verbalizer:
            assert verbalizer._model.transport.address == f"{address}/chat/completions"
            assert verbalizer._model.transport.model == spec.partition(":")[2]


def test_a_chat_model_itself(settings):
    model = FakeListChatModel(responses=["Patient reports apathy."])
    with closing(open_verbalizer(model, PACK, settings)) as verbalizer:
        assert verbalizer.name == "FakeListChatModel"
        assert verbalizer.write([Request(plan())]) == ["Patient reports apathy."]


@pytest.mark.parametrize(
    ("spec", "nearest"),
    [
        ("templat", "template"),
        ("lokal", "local"),
        ("vlm:x", "vllm:NAME"),
        ("opena1:gpt", "openai:NAME"),
        ("vllm:", "vllm:NAME"),
        ("", "template"),
    ],
)
def test_an_unknown_model_names_the_nearest_right_one(spec, nearest, settings):
    with pytest.raises(ConfigError, match="is no model") as caught:
        open_verbalizer(spec, PACK, settings)
    if spec:
        assert f"nearest is '{nearest}'" in str(caught.value)


@pytest.mark.parametrize("thing", [7, None, object()])
def test_what_is_no_model_at_all_is_refused(thing, settings):
    with pytest.raises(ConfigError, match="is no model"):
        open_verbalizer(thing, PACK, settings)


def test_a_provider_whose_adapter_is_missing_says_what_to_install(settings):
    with pytest.raises(MissingExtra) as caught:
        open_verbalizer("mistralai:mistral-small", PACK, settings)
    assert caught.value.command == "pip install langchain-mistralai"


def test_a_provider_without_a_key_is_told_so(settings):
    with pytest.raises(ConfigError, match="key"):
        open_verbalizer("openai:gpt-4o-mini", PACK, settings)


def test_prompt_ids_differ_by_form():
    assert prompt_id("template", PACK) == ""
    assert prompt_id("local", PACK) != prompt_id("vllm:x", PACK)
    assert prompt_id("local", PACK) == prompt_id("vllm:x", PACK, {"brief": 1})
    assert prompt_id("vllm:x", PACK) == prompt_id("vllm:x", PACK, {"brief": 0})
