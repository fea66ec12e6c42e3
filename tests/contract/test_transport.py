"""Calls of a server that fails by script: every call ends in an answer or in its own reason, and every one is counted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.verbalization.cache import CachedVerbalizer
from engine.verbalization.transport import Budget, Policy, Prices, Reply, Transport
from engine.verbalization.transport.budget import Ledger
from engine.verbalization.transport.limits import Breaker
from engine.verbalization.transport.replies import read_reply
from engine.verbalization.transport.waits import Wait
from faulty_model import KINDS, FaultyModel, strike
from model_calls import SECRET, echo, requests, transport, verbalizer
from ontology.errors import ModelError

TRANSIENT = ("server", "rate-limit", "unavailable", "disconnect", "truncated", "not-utf8", "error-in-200", "garbage")
LASTING = {
    "server": "server",
    "rate-limit": "rate-limit",
    "unavailable": "server",
    "disconnect": "unreachable",
    "hang": "timeout",
    "truncated": "malformed",
    "not-utf8": "malformed",
    "garbage": "malformed",
    "error-in-200": "server",
    "no-choices": "empty",
    "huge": "too-long",
    "refusal": "refusal",
    "refusal-field": "refusal",
    "length": "length",
    "empty": "empty",
    "nul": "control-characters",
    "bidi": "control-characters",
}


def send_all(transport, count, **body):
    async def go():
        asked = ({"messages": [{"role": "user", "content": f"p{i}"}], "max_tokens": 20, **body} for i in range(count))
        return await asyncio.gather(*map(transport.send, asked))

    return transport.run(go())


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_of_the_environment_is_used_but_never_for_this_machine(monkeypatch, name):
    for known in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(known, raising=False)
    with FaultyModel() as proxy, FaultyModel() as server:
        monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        for url, asked in (("http://model.invalid/v1", proxy), (server.url, server)):
            with closing(Transport("m", url, SECRET, Policy(seed=1))) as calls:
                assert len(send_all(calls, 3)) == 3
                assert calls.report.answered == 3
            assert sum(asked.asked.values()) == 3


def test_the_script_knows_a_reason_for_every_kind():
    assert set(LASTING) == set(KINDS)


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_requested_is_answered_and_failed_and_nothing_stops_early(kind, share):
    patience = 2.0 if kind == "hang" else 30.0  # a try that is ended sooner might be known to one side alone
    with FaultyModel(strike((kind,), share)) as server, transport(server, timeout=patience, tries=3) as calls:
        answers = send_all(calls, 60)
        report = calls.report
        assert len(answers) == report.requested == 60
        assert report.waiting == 0
        assert report.answered == sum(isinstance(answer, Reply) for answer in answers)
        assert report.sent == report.requested + report.retries == sum(server.asked.values()) - report.canaries
        assert set(server.asked) == {f"p{i}" for i in range(60)}
        assert SECRET not in f"{answers}{report}"


@pytest.mark.parametrize("kind", TRANSIENT)
def test_passing_faults_lose_nothing(kind):
    with FaultyModel(strike((kind,), 0.1), answer=echo) as server, closing(verbalizer(server)) as model:
        assert model.write(requests(100)) == [f"Patient reports apathy{i}." for i in range(100)]
        assert server.struck[kind] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_lasting_faults_are_lost_by_name_and_the_others_are_made(kind):
    def bad(prompt, _asked):
        return kind if "apathy7" in prompt else ""

    with (
        FaultyModel(bad, answer=echo) as server,
        closing(verbalizer(server, timeout=1.0 if kind == "hang" else 5.0, retries=1)) as model,
    ):
        answers = model.write(requests(20))
    assert [a if isinstance(a, str) else a.code for a in answers] == [
        LASTING[kind] if i == 7 else f"Patient reports apathy{i}." for i in range(20)
    ]
    assert SECRET not in str(answers)
    assert "127.0.0.1" not in str(answers)


def test_what_the_server_asks_to_wait_is_waited():
    with FaultyModel(lambda _p, asked: "rate-limit" if asked == 1 else "") as server, transport(server) as calls:
        begun = time.monotonic()
        assert isinstance(send_all(calls, 1)[0], Reply)
        assert time.monotonic() - begun >= 0.05


def test_a_call_that_hangs_is_sent_again_long_before_its_time_out_where_others_are_answered_soon():
    with (
        FaultyModel(lambda prompt, asked: "hang" if prompt == "q0" and asked < 3 else "") as server,
        transport(server, timeout=60.0) as calls,
    ):
        send_all(calls, 64)
        begun = time.monotonic()
        assert isinstance(calls.run(_many(calls, 1))[0], Reply)
        assert time.monotonic() - begun < 30  # some 4 seconds alone on a core; two time-outs are 120
        assert server.asked["q0"] == 3


def test_an_answer_that_takes_far_longer_than_others_did_is_waited_for():
    with FaultyModel() as server, transport(server, timeout=6.0) as calls:
        send_all(calls, 64)
        server.latency = 1.8  # no try but the last waits that long
        answers = calls.run(_many(calls, 3))
        assert [isinstance(answer, Reply) for answer in answers] == [True] * 3


@given(st.lists(st.floats(0, 100), max_size=200), st.floats(0.1, 100))
def test_tries_wait_within_their_bounds_and_longer_than_any_answer_that_was_too_slow_for_them(answers, most):
    wait = Wait(most)
    for seconds in answers:
        before = wait.early
        wait.answered(seconds)
        assert min(2.0, most / 4) <= wait.early <= most
        if seconds > before:
            assert wait.early >= min(most, 2 * seconds)


def test_a_call_that_hangs_while_a_canary_is_answered_tells_of_no_server_that_is_down_or_overloaded():
    with FaultyModel() as server, transport(server) as calls:
        send_all(calls, 64)
        before, late, calls._clocks.answered = calls.concurrency.now, ModelError("late", code="timeout"), 0.0
        for _ in range(100):
            calls._learn(late, begun=1.0)
        assert (calls.breaker.open, calls.concurrency.now) == (False, before)
        for _ in range(100):
            calls._learn(late, begun=time.monotonic())  # nothing was answered since
        assert calls.breaker.open
        assert calls.concurrency.now < before


def test_never_more_at_once_than_allowed_and_as_many_as_allowed():
    with FaultyModel(latency=0.2) as server, transport(server, concurrency=24) as calls:
        send_all(calls, 100)
        assert server.most == 24


def test_what_has_to_wait_long_is_not_begun():
    begun = []
    with FaultyModel(latency=0.01) as server, closing(verbalizer(server, concurrency=2)) as model:
        report = model._model.transport.report
        assert len(model.write(requests(100), lambda _: begun.append(report.waiting))) == 100
    assert 2 <= max(begun) <= 32
    assert (report.answered, report.waiting) == (100, 0)


def test_an_overloaded_server_is_asked_less_at_once_and_every_call_is_answered():
    server = FaultyModel(latency=0.1)
    server.script = lambda _prompt, _asked: "unavailable" if server.flying >= 6 else ""
    with server, transport(server, concurrency=64, tries=50) as calls:
        assert all(isinstance(answer, Reply) for answer in send_all(calls, 150))
        assert calls.concurrency.now < 16


def test_a_server_that_is_down_is_asked_one_completion_at_a_time_until_it_is_back():
    up = [True]
    with FaultyModel(lambda *_: "" if up[0] else "error-in-200") as server, transport(server) as calls:
        send_all(calls, 5)
        up[0] = False
        asked = calls.submit(_many(calls, 100))
        time.sleep(1.2)
        assert calls.breaker.open
        before = sum(server.asked.values())
        time.sleep(0.8)
        assert sum(server.asked.values()) - before <= 3
        up[0] = True
        assert all(isinstance(answer, Reply) for answer in asked.result(20))
        assert not calls.breaker.open


async def _many(calls, count):
    bodies = ({"messages": [{"role": "user", "content": f"q{i}"}], "max_tokens": 20} for i in range(count))
    return await asyncio.gather(*map(calls.send, bodies))


def test_calls_that_fail_for_good_are_not_taken_for_a_server_that_is_down():
    with FaultyModel(strike(("server",), 0.3, lasting=True), latency=0.02) as server, transport(server) as calls:
        begun = time.monotonic()
        answers = send_all(calls, 200)
        assert time.monotonic() - begun < 8
        assert {answer.code for answer in answers if isinstance(answer, ModelError)} == {"server"}
        assert calls.report.answered == sum(not server.script(f"p{i}", 1) for i in range(200))


def test_a_server_that_never_comes_back_ends_every_call_in_time():
    with FaultyModel(lambda *_: "server") as server, transport(server, patience=0.5) as calls:
        answers = send_all(calls, 80)
        assert {answer.code for answer in answers} <= {"server", "unreachable"}
        assert {answer.alive for answer in answers} == {False}
        assert calls.report.waiting == 0


def test_of_a_call_that_fails_for_good_it_is_known_whether_the_server_lives():
    with (
        FaultyModel(lambda prompt, _: "server" if prompt == "p1" or dead else "") as server,
        transport(server) as calls,
    ):
        dead = True
        assert send_all(calls, 1)[0].alive is None  # it has never answered
        dead = False
        assert isinstance(send_all(calls, 1)[0], Reply)
        assert send_all(calls, 2)[1].alive
        assert calls.report.canaries == 1


def test_a_closed_transport_is_not_opened_again():
    with FaultyModel() as server:
        with transport(server) as calls:
            send_all(calls, 1)
        with pytest.raises(ModelError, match="closed"):
            send_all(calls, 1)
        assert sum(server.asked.values()) == 1


def test_a_refusal_is_no_proof_of_life():
    breaker = Breaker(failures=1)
    breaker.failed(0.0)
    assert breaker.open
    with FaultyModel(lambda *_: "no-choices") as server, transport(server) as calls:
        calls.breaker = breaker
        calls._learn(ModelError("no", code="bad-request"))
        assert breaker.open


@pytest.mark.parametrize("budget", [Budget(tokens=1000), Budget(money=1.0, prices=Prices(1000.0, 1000.0))])
def test_a_budget_is_never_passed_and_ends_every_further_call(budget):
    with FaultyModel() as server, transport(server, budget=budget, tries=1) as calls:
        answers = send_all(calls, 100)
        codes = {answer.code for answer in answers if isinstance(answer, ModelError)}
        assert codes == {"budget"}
        assert 500 < calls.ledger.tokens <= 1000
        assert sum(server.asked.values()) == calls.report.answered == calls.ledger.tokens // 50


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 500), st.floats(0, 1), st.booleans()), max_size=60))
def test_reservations_never_let_the_spending_pass_the_budget(calls):
    ledger = Ledger(Budget(tokens=5000))
    held = []
    for size, most, used, settles in calls:
        reserved = ledger.reserve(prompt_bytes=size, most_answer=most)
        if reserved:
            held.append((reserved, size, used))
        if held and settles:
            (prompt, answer), size_, used_ = held.pop(0)
            ledger.settle((prompt, answer), prompt_bytes=size_, prompt=int(prompt * used_), answer=int(answer * used_))
        assert ledger.tokens <= 5000


@given(st.binary(max_size=400))
def test_any_bytes_are_a_reply_or_a_reason(body):
    assert isinstance(read_reply(body, "m"), Reply | ModelError)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["choices", "message", "content", "usage", "prompt_tokens", "finish_reason"]), inner
            )
        ),
    )
)
def test_any_json_is_a_reply_or_a_reason(data):
    import json

    assert isinstance(read_reply(json.dumps(data).encode(), "m"), Reply | ModelError)


def test_a_killed_run_asks_again_only_what_was_in_flight(tmp_path):
    code = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from engine.plan import Plan
        from engine.verbalization.cache import CachedVerbalizer
        from engine.verbalization.chain import ChainVerbalizer, openai_chat
        from engine.verbalization.decoding import Decoding
        from engine.verbalization.port import Request
        from ontology.pack import Pack

        once = Decoding(concurrency=64, retries=0)
        model = openai_chat("m", sys.argv[1], "", once, loopback=True)
        chain = ChainVerbalizer(model, Pack("p", "P", "1", "C0002395", "", *[()] * 14), name="m", decoding=once)
        asked = [Request(Plan("mood", "M.", phrase=f"apathy{i}", entity="sign"), seed=i) for i in range(400)]
        assert all(isinstance(text, str) for text in CachedVerbalizer(chain, Path(sys.argv[2])).write(asked))
        """
    )
    with FaultyModel(latency=0.05, answer=echo) as server:
        order = [sys.executable, "-c", code, server.url, str(tmp_path / "answers.sqlite3")]
        child = subprocess.Popen(order)
        while sum(server.asked.values()) < 150:
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        subprocess.run(order, check=True, timeout=60)
        assert len(server.asked) == 400
        assert sum(server.asked.values()) - 400 <= 64


def test_interrupts_leave_nothing_behind(tmp_path):
    with FaultyModel(lambda *_: "hang") as server:
        calls = Transport("m", server.url, SECRET, Policy(timeout=60), loopback=True)
        asked = calls.submit(_many(calls, 5))
        time.sleep(0.3)
        asked.cancel()
        calls.close()
        calls.close()
        assert calls.report.waiting == 0


def test_an_interrupt_loses_no_answer_and_no_place():
    with FaultyModel() as server, closing(verbalizer(server, concurrency=8)) as model:
        calls = model._model.transport
        told = list[int]()

        async def interrupted(after):
            flow = asyncio.ensure_future(model._flow(model._model, requests(100), told.extend))
            while calls.report.answered < after:  # noqa: ASYNC110 -- the interrupt is to come in the round in which an answer does
                await asyncio.sleep(0)
            flow.cancel()
            await asyncio.wait([flow])
            await asyncio.sleep(0.01)
            return flow.cancelled()

        for after in range(1, 200, 20):
            assert calls.run(interrupted(after))
            assert calls._places._flying == 0
            assert len(told) == calls.report.answered
        assert model.write(requests(20)) == ["Patient reports apathy over the past month."] * 20


def test_the_key_is_not_in_the_cache(tmp_path):
    with FaultyModel(answer=echo) as server:
        path = tmp_path / "answers.sqlite3"
        with closing(CachedVerbalizer(verbalizer(server), path)) as model:
            model.write(requests(5))
        assert all(SECRET.encode() not in file.read_bytes() for file in tmp_path.iterdir())
