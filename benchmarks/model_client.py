"""Calls of a model server on loopback: `python benchmarks/model_client.py [-n 2000] [--latency 0.05] [--peer NAME] [--faults] [--kill]`.

Without a flag: records a second and CPU a record of bare aiohttp and httpx loops, of our transport alone, of the whole
verbalizer (prompt, call, parser, cache) and of plain LangChain `abatch` over ChatOpenAI, at the same concurrency against the same
server in a process of its own. `--peer curator` and `--peer designer` send the same prompts through Curator and Data Designer as
well (`benchmarks/peers/`), each in an environment of its own that is made once.
`--run`: a whole run, linking, validation and commit included. `--faults`: the verbalizer
at 0, 10, 30 and 50 % of each kind of fault, passing and lasting.
`--kill`: SIGKILLs at random times over a run; how many calls were repeated. Each line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import httpx

from engine import generate, open_graph
from engine.plan import Plan
from engine.processes import collect_seldom
from engine.runs.recipe import even_quotas
from engine.settings import Settings
from engine.verbalization.cache import CachedVerbalizer
from engine.verbalization.chain import ChainVerbalizer, disconnect, openai_chat
from engine.verbalization.decoding import SERVER
from engine.verbalization.port import Request
from engine.verbalization.transport import Policy, Transport
from ontology.errors import ModelError
from ontology.pack import load_pack

SERVER_FILE = Path(__file__).parent.parent / "tests/servers/faulty_model.py"
PEERS = Path(__file__).parent / "peers"
TRANSIENT = ("server", "rate-limit", "unavailable", "disconnect", "truncated", "not-utf8", "error-in-200", "garbage")
CONTENT = ("no-choices", "huge", "refusal", "refusal-field", "length", "empty", "nul", "bidi")
AT_ONCE = 64


@contextmanager
def served(*options):
    order = [sys.executable, str(SERVER_FILE), *options]
    process = subprocess.Popen(order, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait()


def body(i):
    return {"model": "m", "messages": [{"role": "user", "content": f"p{i}"}], "max_tokens": 120}


async def bounded(count, ask):
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(i):
        async with slots:
            return await ask(i)

    return await asyncio.gather(*map(one, range(count)))


async def bare_aiohttp(url, count):
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(i):
            async with session.post(f"{url}/chat/completions", json=body(i)) as response:
                return (await response.json())["choices"][0]["message"]["content"]

        return await bounded(count, ask)


async def bare_httpx(url, count):
    async with httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=AT_ONCE)) as client:

        async def ask(i):
            return (await client.post(f"{url}/chat/completions", json=body(i))).json()["choices"][0]["message"]

        return await bounded(count, ask)


async def langchain(url, count):
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="m", base_url=url, api_key="none", use_responses_api=False)
    return await model.abatch([f"p{i}" for i in range(count)], {"max_concurrency": AT_ONCE})


def transport_alone(url, count):
    calls = Transport("m", url, policy=Policy(concurrency=AT_ONCE), loopback=True)

    async def go():
        return await asyncio.gather(*(calls.send(body(i)) for i in range(count)))

    with closing(calls):
        return calls.run(go())


def requests(count):
    return [
        Request(Plan("mood", "A change of mood.", phrase=f"apathy{i}", entity="sign"), seed=i) for i in range(count)
    ]


@cache
def pack():
    return load_pack()


def chain(url, **policy):
    decoding = replace(SERVER, concurrency=AT_ONCE, **policy)
    model = openai_chat("m", url, "", decoding, loopback=True)
    return ChainVerbalizer(model, pack(), name="m", decoding=decoding, close=partial(disconnect, model))


def whole(url, count):
    with tempfile.TemporaryDirectory() as folder:
        with closing(CachedVerbalizer(chain(url), Path(folder) / "answers.sqlite3")) as model:
            answers = model.write(requests(count))
        assert all(isinstance(answer, str) for answer in answers)
        return answers


def environment(peer, home):
    """The python that has what the peer's file pins, installed where it is not there yet."""
    file, python = PEERS / f"{peer}.py", home / peer / "bin/python"
    pin = re.search(r'dependencies = \["(.*)"\]', file.read_text())[1]
    ready = home / peer / pin
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home / peer], check=True)
        uv = [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--python", python]
        subprocess.run([*uv, "--requirements", file], check=True)
        ready.touch()
    return python, pin


def peer_cost(peer, home, url, count):
    """What the peer prints of `count` prompts at the same concurrency, and what it is; it knows no home, cache or key of the user's."""
    python, pin = environment(peer, home)
    with tempfile.TemporaryDirectory() as folder:
        env = {"PATH": os.environ["PATH"], "HOME": folder}
        order = [python, PEERS / f"{peer}.py", url, str(count), str(AT_ONCE)]
        found = subprocess.run(order, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(f"{pin} did not run:\n{found.stderr[-2000:]}")
    return {"client": pin.replace("==", " "), **json.loads(found.stdout.splitlines()[-1])}


def speed(count, latency, peers, home, peer_count):
    rows = {
        "aiohttp": lambda url: asyncio.run(bare_aiohttp(url, count)),
        "httpx": lambda url: asyncio.run(bare_httpx(url, count)),
        "transport": lambda url: transport_alone(url, count),
        "verbalizer": lambda url: whole(url, count),
        "langchain": lambda url: asyncio.run(langchain(url, count)),
    }
    with served("--latency", str(latency)) as url:
        whole(url, 64)  # imports and the pack are read before the clock runs
        import langchain_openai  # noqa: F401 -- not its import either

        base = None
        for name, go in rows.items():
            begun, used = time.perf_counter(), time.process_time()
            assert len(go(url)) == count
            wall, cpu = time.perf_counter() - begun, time.process_time() - used
            base = base or count / wall
            told(name, latency, count, wall, cpu, base)
        for peer in peers:
            asked = min(count, peer_count)
            found = peer_cost(peer, home, url, asked)
            assert found["n"] == asked
            told(found["client"], latency, asked, found["seconds"], found["cpu_seconds"], base)


def told(client, latency, count, wall, cpu, base):
    row = {"client": client, "latency": latency, "n": count, "per_second": round(count / wall, 1)}
    row |= {"cpu_ms": round(cpu / count * 1e3, 3), "of_aiohttp": round(count / wall / base, 3)}
    print(json.dumps(row), flush=True)


def judged(count, latency):
    """A run, judge of sentences included: records a second beside the requests that it took."""
    with (
        open_graph() as graph,
        served("--latency", str(latency), "--obey") as url,
        tempfile.TemporaryDirectory() as folder,
    ):
        graph.settings = replace(graph.settings, model_url=url, cache=Path(folder), model_concurrency=AT_ONCE)
        list(generate(graph, 20, seed=1))  # the linker and the model of the graph are made before the clock runs
        collect_seldom()  # as the command does
        begun, used = time.perf_counter(), time.process_time()
        labels = tuple(label.id for label in graph.pack.labels if label.id != "none")  # `none` has no words to obey
        quotas = even_quotas(count, labels)
        run = generate(graph, model="vllm:m", seed=5, out=Path(folder) / "run", quotas=quotas, near_duplicate=0.0)
        made = len(list(run))
        wall, cpu = time.perf_counter() - begun, time.process_time() - used
        row = {"client": "run", "latency": latency, "n": made, "requested": run.report.requested}
        row |= {"per_second": round(made / wall, 1), "requests_per_second": round(run.report.requested / wall, 1)}
        print(json.dumps({**row, "cpu_ms": round(cpu / made * 1e3, 3), "acceptance": round(run.report.acceptance, 3)}))


def faults(count, latency, kinds):
    clean = {}
    for kind in ("none", *(kinds or (*TRANSIENT, *CONTENT))):
        for share in (0.0,) if kind == "none" else (0.1, 0.3, 0.5):
            for lasting in (False, True) if kind in TRANSIENT and share == 0.1 else (kind in CONTENT,):
                options = ["--latency", str(latency), *(["--lasting"] if lasting else [])]
                options += [] if kind == "none" else ["--kind", kind, "--share", str(share)]
                with served(*options) as url, closing(chain(url)) as model:
                    begun, when = time.perf_counter(), []
                    answers = model.write(
                        requests(count), lambda found, w=when: w.extend([time.perf_counter()] * len(found))
                    )
                    wall = time.perf_counter() - begun
                    report = model._model.transport.report  # noqa: SLF001 -- its counts are what is measured
                texts = [answer for answer in answers if isinstance(answer, str)]
                lost = sorted({answer.code for answer in answers if isinstance(answer, ModelError)})
                holds = report.requested == report.answered + sum(report.failed.values()) == count
                p95 = sorted(when)[int(0.95 * count)] - begun
                clean = clean or {"wall": wall, "p95": p95}
                row = {"kind": kind, "share": share, "lasting": lasting, "n": count, "texts": len(texts)}
                row |= {"lost": count - len(texts), "reasons": lost, "identity": holds, "sent": report.sent}
                row |= {"of_clean": round(wall / clean["wall"], 2), "p95_of_clean": round(p95 / clean["p95"], 2)}
                print(json.dumps(row))
                sys.stdout.flush()


def kill(count, latency, rounds):
    rng = random.Random(1)  # noqa: S311 -- when to kill
    for _ in range(rounds):
        with served("--latency", str(latency)) as url, tempfile.TemporaryDirectory() as folder:
            order = [sys.executable, __file__, "--child", url, folder, "-n", str(count)]
            child = subprocess.Popen(order)
            stop = rng.randint(count // 10, count * 9 // 10)
            while sum(httpx.get(f"{url[:-3]}/asked", trust_env=False).json().values()) < stop:
                time.sleep(0.05)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            subprocess.run(order, check=True)
            asked = httpx.get(f"{url[:-3]}/asked", trust_env=False).json()
        print(
            json.dumps({"n": count, "asked": len(asked), "repeated": sum(asked.values()) - count, "at_once": AT_ONCE})
        )
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=2000)
    parser.add_argument("--latency", type=float, action="append")
    names = sorted(file.stem for file in PEERS.glob("*.py") if "dependencies" in file.read_text())
    parser.add_argument("--peer", action="append", choices=names, default=[], help="Send the prompts through it, too.")
    cached = Settings.load().cache / "peers"
    parser.add_argument("--peer-home", type=Path, default=cached, help="Where the peers' environments are.")
    parser.add_argument("--peer-n", type=int, default=2000, help="The most prompts of a peer.")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--kind", action="append", choices=(*TRANSIENT, *CONTENT), help="Only these faults.")
    parser.add_argument("--run", action="store_true", help="A run, with validation and commit.")
    parser.add_argument("--kill", type=int, metavar="ROUNDS", default=0)
    parser.add_argument("--child", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        with closing(CachedVerbalizer(chain(asked.child[0]), Path(asked.child[1]) / "answers.sqlite3")) as model:
            assert all(isinstance(answer, str) for answer in model.write(requests(asked.n)))
    elif asked.faults:
        faults(asked.n, (asked.latency or [0.05])[0], asked.kind)
    elif asked.kill:
        kill(asked.n, (asked.latency or [0.05])[0], asked.kill)
    else:
        for latency in asked.latency or [0.0, 0.05]:
            if asked.run:
                judged(asked.n, latency)
            else:
                speed(asked.n, latency, asked.peer, asked.peer_home.resolve(), asked.peer_n)


if __name__ == "__main__":
    main()
