"""An OpenAI-compatible server on loopback that fails by script.

`python tests/servers/faulty_model.py --kind server --share 0.1 --latency 0.05` prints its address, and ends when
standard input does. Plain asyncio; counts every request by its prompt, so that what was asked
twice can be told, and keeps every good answer, so that a text from anywhere else can be told (`GET /asked`, `GET /given`). A
fault strikes a prompt by a hash of the prompt and of how often it was asked (`transient`), or of the prompt alone (`lasting`).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import sys
import threading
from collections import Counter

KINDS = (
    "server",
    "rate-limit",
    "unavailable",
    "disconnect",
    "hang",
    "truncated",
    "not-utf8",
    "no-choices",
    "error-in-200",
    "huge",
    "refusal",
    "refusal-field",
    "length",
    "empty",
    "nul",
    "bidi",
    "garbage",
)
_GOOD = "Patient reports apathy over the past month."
_SAID = {
    "huge": "y" * 1_000_000,
    "refusal": "I'm sorry, I can't help with that.",
    "empty": "",
    "nul": "Patient\x00 reports apathy.",
    "bidi": "Patient \u202ereports apathy.",
}


def completion(text: str | None, reason: str = "stop", **message: object) -> bytes:
    said = {"role": "assistant", "content": text, **message}
    data = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": reason, "message": said}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50},
    }
    return json.dumps(data).encode()


def obedient(prompt: str) -> str:
    """A sentence that does what the full form of a prompt asks for."""
    found = re.search(r'exactly: "(.*?)"\nStatus: (.*)\nReported by: (.*)', prompt)
    if not found:
        return _GOOD
    phrase, status, who = found.groups()
    he = re.search(r"\((he|she)/", prompt)
    says = {"patient": "Patient reports", "nobody named; the clinician writes": "Examination shows"}
    says = says.get(who, f"{'His' if he and he[1] == 'he' else 'Her'} {who} reports")
    denies = says.replace("reports", "denies").replace("shows", "shows no")
    said = {
        "absent": f"{denies} {phrase}.",
        "possible": f"{says} possible {phrase}.",
        "in the past": f"{says} a history of {phrase}.",
        "in a relative": f"Family history of {phrase} in a parent.",
        "not now": f"Return to clinic if {phrase} develops.",
    }
    return next((text for start, text in said.items() if status.startswith(start)), f"{says} {phrase}.")


class FaultyModel:
    """`script(prompt, asked)` names the fault of a request or gives ""; `answer(prompt)` the text of a good one, `cut` of one
    that ends at the most tokens allowed.
    """

    def __init__(
        self, script=lambda prompt, asked: "", *, latency=0.0, answer=lambda prompt: _GOOD, cut="Patient reports"
    ):
        self.script, self.latency, self.answer, self.cut = script, latency, answer, cut
        self.asked: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.given: set[str] = set()
        self.flying = self.most = 0
        self._server = None
        self._loop = None

    # ---- in the loop

    async def listen(self):
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=2**22)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _talk(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
                )
                body = await reader.readexactly(length)
                if head.startswith(b"GET /asked"):
                    writer.write(_http(200, json.dumps(self.asked).encode()))
                elif head.startswith(b"GET /given"):
                    writer.write(_http(200, json.dumps(sorted(self.given)).encode()))
                elif not await self._complete(json.loads(body), writer):
                    return
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the server ends
        finally:
            writer.close()

    async def _complete(self, body, writer):
        prompt = (
            str(body["messages"][-1]["content"]) if body["messages"] else ""
        )  # a client that asks what the limits are
        self.asked[prompt] += 1
        fault = self.script(prompt, self.asked[prompt])
        self.struck[fault] += 1
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            if fault == "hang":
                await asyncio.sleep(3600)
        finally:
            self.flying -= 1
        if fault == "disconnect":
            writer.transport.abort()
            return False
        plans = [str(part["content"]) for part in body["messages"] if "Words to use" in str(part["content"])]
        writer.write(self._bytes(fault, plans[-1] if plans else prompt))
        return True

    def _bytes(self, fault, prompt):
        if fault in {"server", "rate-limit", "unavailable"}:
            status = {"server": 500, "rate-limit": 429, "unavailable": 503}[fault]
            extra = b"Retry-After: 0.05\r\n" if fault == "rate-limit" else b""
            return _http(status, b'{"error": {"message": "no, sk-very-secret"}}', extra)
        if fault == "garbage":
            return b"SSH-2.0-OpenSSH\r\n\r\n"
        text = self.answer(prompt)
        if not fault:
            self.given.add(text)
        good = completion(text)
        made = {
            "truncated": lambda: good[: len(good) // 2],
            "not-utf8": lambda: good.replace(b'"content": "', b'"content": "\xff\xfe'),
            "no-choices": lambda: b'{"choices": []}',
            "error-in-200": lambda: b'{"error": {"message": "engine dead"}}',
            "refusal-field": lambda: completion(None, refusal="no"),
            "length": lambda: completion(self.cut, "length"),
        }
        if fault in _SAID:
            return _http(200, completion(_SAID[fault]))
        return _http(200, made[fault]() if fault else good)

    # ---- from a test

    def __enter__(self):
        ready = threading.Event()

        def serve():
            self._loop = asyncio.new_event_loop()
            self.url = self._loop.run_until_complete(self.listen())
            ready.set()
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self._loop.run_until_complete(asyncio.wait(tasks))
            self._loop.run_until_complete(asyncio.sleep(0.01))  # connections that were cut are closed a round later
            self._loop.close()

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_):
        def end():
            self._server.close()
            self._loop.stop()

        self._loop.call_soon_threadsafe(end)
        self._thread.join()


def _http(status, body, extra=b""):
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
    return head % (status, extra, len(body)) + body


def strike(kinds, share, *, lasting=False, within=""):
    """A script: of each `share` of prompts (or, not `lasting`, of requests) that hold `within` one of `kinds` strikes."""

    def script(prompt, asked):
        if within not in prompt:
            return ""
        digest = hashlib.sha256(f"{prompt}|{0 if lasting else asked}".encode()).digest()
        if int.from_bytes(digest[:4], "big") / 2**32 >= share:
            return ""
        return kinds[digest[5] % len(kinds)]

    return script


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", action="append", choices=KINDS, default=[])
    parser.add_argument("--share", type=float, default=0.0)
    parser.add_argument("--lasting", action="store_true")
    parser.add_argument("--within", default="", help="Fail only prompts that hold this.")
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--obey", action="store_true", help="Answer what the prompt asks for.")
    asked = parser.parse_args()
    script = (
        strike(asked.kind, asked.share, lasting=asked.lasting, within=asked.within) if asked.kind else lambda *_: ""
    )
    with FaultyModel(script, latency=asked.latency, answer=obedient if asked.obey else lambda _: _GOOD) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
