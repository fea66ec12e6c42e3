"""`dualalign link` and `link-score` as a user runs them: pipes, files, processes, failures, hostile input."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from engine.linking.linker import Linker
from engine.linking.pool import in_order
from engine.linking.run import Vocabulary, link_file
from ontology.errors import ConfigError, WorkerLost

LINES = [
    {"concept_id": "C0233569", "canonical_name": "Wandering", "aliases": ["wandering"], "types": ["T184"]},
    {
        "concept_id": "C0085632",
        "canonical_name": "Apathy",
        "aliases": ["apathy", "lack of interest"],
        "types": ["T184"],
    },
    {"concept_id": "C0497327", "canonical_name": "Dementia", "aliases": ["dementia"], "types": ["T048"]},
]
TEXTS = ["Wife reports apathy.", "", "No wandering; his mother had dementia.", "Nothing — “else”.", "Lack of interst?"]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("catalog") / "tiny.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES), encoding="utf-8")
    return str(path)


def dualalign(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-P", "-m", "engine.cli", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def one_sentence(done: subprocess.CompletedProcess[bytes], code: int, *parts: str) -> None:
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert "Traceback" not in said
    for part in parts:
        assert part in said


def spoken(number: int) -> bytes:
    return "".join(f"{TEXTS[at % len(TEXTS)]} ({at})\n" for at in range(number)).encode()


def test_a_bad_line_stops_the_output_file_but_not_with_skip_bad(catalog, tmp_path):
    source, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "Apathy."}\n{"text": 3}\n{"text": "No wandering."}\n', encoding="utf-8")
    done = dualalign("link", "--catalog", catalog, "--exact", str(source), "--out", str(out))
    one_sentence(done, 2, "a.jsonl:2", "--skip-bad")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    done = dualalign("link", "--catalog", catalog, "--exact", str(source), "--out", str(out), "--skip-bad", "--json")
    one_sentence(done, 1, "a.jsonl:2", "left out")
    assert json.loads(done.stdout)["problems"] == {"bad-line": 1}
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(row["text"], row["mentions"][0]["cui"], row["mentions"][0]["assertion"]) for row in rows] == [
        ("Apathy.", "C0085632", "present"),
        ("No wandering.", "C0233569", "absent"),
    ]


def test_a_dry_run_reads_all_and_writes_nothing(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "Apathy."}\n{"text": "x"}\n', encoding="utf-8")
    done = dualalign("link", str(tmp_path / "a.jsonl"), "--dry-run", "--json", "--out", str(tmp_path / "o.jsonl"))
    assert done.returncode == 0
    assert json.loads(done.stdout)["documents"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--to", "conl"], "nearest is 'conll'"),
        (["--from", "jsnl"], "nearest is 'jsonl'"),
        (["--to", "brat"], "--out"),
        (["--processes", "0"], "--processes 0"),
        (["--encoding", "utf-17"], "utf-17"),
        (["--catalog", "hppo", "--processes", "2"], "did you mean 'hpo'"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, part):
    done = dualalign("link", *arguments, stdin=b"Apathy.\n")
    one_sentence(done, 2, part)
    assert done.stdout == b""


def test_without_context_everything_is_present_and_told_by_the_clinician(catalog):
    done = dualalign("link", "--catalog", catalog, "--no-context", stdin=b"Wife denies wandering.\n")
    (mention,) = json.loads(done.stdout)["mentions"]
    assert (mention["cui"], mention["assertion"], mention["informant"]) == ("C0233569", "present", "clinician")


def test_a_model_that_is_not_installed_is_named_with_the_way_to_get_it(catalog):
    one_sentence(dualalign("link", "--catalog", catalog, "--model", "en_nothing", stdin=b"x\n"), 2, "pip install")


def test_the_input_is_never_replaced(catalog, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "Apathy."}\n', encoding="utf-8")
    one_sentence(dualalign("link", "--catalog", catalog, str(path), "--out", str(path)), 2, "is the input")
    assert path.read_text(encoding="utf-8") == '{"text": "Apathy."}\n'


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jsonl", "conll", "brat", "docbin"])
def test_one_and_two_processes_write_the_same_bytes_twice(name, catalog, tmp_path):
    (tmp_path / "a.txt").write_bytes(spoken(1200))
    outputs = []
    for number, processes in enumerate((1, 2, 2, 1) if name == "jsonl" else (1, 2)):
        out = tmp_path / f"out{number}{'.spacy' if name == 'docbin' else ''}"
        report = link_file(
            str(tmp_path / "a.txt"), out, vocabulary=Vocabulary(catalog), to_format=name, processes=processes
        )
        assert (report.documents, report.mentions) == (1200, 960)
        files = sorted(out.rglob("*")) if out.is_dir() else [out]
        outputs.append([(path.name if out.is_dir() else "", path.read_bytes()) for path in files if path.is_file()])
    assert all(output == outputs[0] for output in outputs)
    assert len(outputs[0]) == (2401 if name == "brat" else 1)


@pytest.fixture
def linking(catalog, tmp_path):
    """A run with two processes that has begun and waits for more input."""
    command = [sys.executable, "-P", "-m", "engine.cli", "link", "--catalog", catalog, "--exact", "--processes", "2"]
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background job would hand on that it is ignored
    run = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out.jsonl"), "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    signal.signal(signal.SIGINT, before)
    assert run.stdin is not None
    run.stdin.write(spoken(1600))
    run.stdin.flush()
    workers: list[int] = []
    while len(workers) < 2 and run.poll() is None:
        time.sleep(0.1)
        servers = [pid for pid in children(run.pid) if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        workers = [worker for server in servers for worker in children(server)]
    yield run, workers
    run.kill()
    run.communicate()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="no /proc: this test looks for processes there"
)


@needs_proc
def test_a_killed_worker_is_one_sentence_and_leaves_nothing(linking, tmp_path):
    run, workers = linking
    os.kill(workers[0], signal.SIGKILL)
    _, said = run.communicate(spoken(3000), timeout=120)
    assert run.returncode == 3, said
    assert b"Traceback" not in said
    assert said.startswith(b"dualalign: one of the 2 linking processes ended")
    assert list(tmp_path.iterdir()) == []


@needs_proc
def test_workers_end_when_the_main_process_is_killed(linking):
    run, workers = linking
    run.kill()
    run.wait()
    until = time.monotonic() + 60
    while not all(map(gone, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert [pid for pid in workers if not gone(pid)] == []


@needs_proc
def test_an_interrupt_leaves_nothing_and_says_so(linking, tmp_path):
    run, _ = linking
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 130, said
    assert b"nothing was written" in said
    assert b"Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_batches_come_back_in_order_and_few_are_on_their_way():
    asked: list[int] = []

    def batches():
        for number in range(200):
            asked.append(number)
            yield number

    ahead = []
    for made, expected in zip(in_order(batches(), partial(partial, str), 2), range(200), strict=True):
        assert made == str(expected)
        ahead.append(len(asked) - expected)
    assert max(ahead) <= 4


def test_a_process_that_ends_is_an_error_of_ours():
    with pytest.raises(WorkerLost, match="one of the 2 linking processes ended"):
        list(in_order([1, 2, 3], partial(partial, os._exit), 2))


def test_an_error_of_a_process_arrives_as_it_was():
    with pytest.raises(ConfigError, match="did you mean 'hpo'"):
        list(in_order(["x"], partial(Linker, "hppo"), 2))


HOSTILE = (
    b"\x00\xff\xfe\x80 apathy\n\xe2\x80\xae\xd8\xa7 apathy \xe2\x81\xa6\xe2\x81\xa9\n"
    b"\x1b[2J apathy\x07\r\xc2\x85\n\xed\xa0\x80\xf4\x90\x80\x80 apathy\n"
)


def test_binary_bytes_and_bidirectional_controls_are_linked_like_any_text(catalog):
    noise = random.Random(5).randbytes(20_000)  # noqa: S311 - which bytes, not a secret
    done = dualalign("link", "--catalog", catalog, stdin=HOSTILE + noise + b"\n")
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    rows = [json.loads(line) for line in done.stdout.split(b"\n")[:-1]]
    assert len(rows) == 5 + noise.count(b"\n")
    assert [row["mentions"][0]["cui"] for row in rows[:4]] == ["C0085632"] * 4
    assert all(row["text"][m["start"] : m["end"]] == m["text"] for row in rows for m in row["mentions"])
    assert b"is not utf-8" in done.stderr


@pytest.mark.slow
def test_ten_megabytes_in_one_line_are_one_text(catalog, tmp_path):
    sentence = "Wife reports apathy at night, no wandering, and a lack of interst since 2019. "
    times = 10_000_000 // len(sentence)
    (tmp_path / "a.txt").write_text(sentence * times, encoding="utf-8")
    report = link_file(str(tmp_path / "a.txt"), tmp_path / "a.jsonl", vocabulary=Vocabulary(catalog))
    assert (report.documents, report.mentions) == (1, 3 * times)
    row = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    last = row["mentions"][-1]
    assert row["text"][last["start"] : last["end"]] == last["text"] == "lack of interst"


def test_a_gold_file_is_linked_and_scored_as_it_is(catalog, tmp_path):
    gold = tmp_path / "gold.jsonl"
    rows = [
        {
            "id": "a",
            "text": "No apathy.",
            "mentions": [{"start": 3, "end": 9, "cui": "C0085632", "assertion": "absent"}],
        },
        {"id": "b", "text": "A stroke.", "mentions": [{"start": 2, "end": 8, "cui": "C0038454"}]},
    ]
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for name in ("said.jsonl", "said"):
        out = str(tmp_path / name)
        link_file(
            str(gold), out, vocabulary=Vocabulary(catalog, fuzzy=False), to_format="jsonl" if "." in name else "brat"
        )
        done = dualalign("link-score", "--catalog", catalog, str(gold), out, "--json", "--replicates", "50")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["linking"]["strict"]["recall"]["value"] == 0.5
        assert found["in_vocabulary"]["strict"]["recall"] == {
            "value": 1.0,
            "low": 1.0,
            "high": 1.0,
            "count": 1.0,
            "of": 1.0,
        }
        assert found["confusion"]["assertion"]["counts"] == {"absent": {"absent": 1}}
    table = dualalign("link-score", str(gold), str(tmp_path / "said.jsonl"), "--define").stdout.decode()
    for part in ("2 documents", "span strict", "CUI accuracy at 5", "error kinds", "stroke C0038454", "MUC-5"):
        assert part in table


def test_scoring_another_text_is_one_sentence(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "1", "text": "Apathy."}\n', encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"id": "1", "text": "apathy."}\n', encoding="utf-8")
    one_sentence(
        dualalign("link-score", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")), 2, "b.jsonl:1", "another text"
    )
    one_sentence(dualalign("link-score", str(tmp_path / "a.jsonl"), "none.jsonl"), 2, "none.jsonl")
