from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest

from engine.plan import Plan
from engine.verbalization.cache import CachedVerbalizer
from engine.verbalization.port import Request
from ontology.errors import ModelError


class Counting:
    """Answers every request with its key and counts what it was asked."""

    name, prompt = "counting", "p"

    def __init__(self):
        self.asked, self.closed = [], 0

    def key(self, request):
        return f"{request.plan.label}-{request.seed}"

    def write(self, requests, done=None):
        self.asked += [self.key(r) for r in requests]
        answers = [
            ModelError("no", code="empty") if r.plan.label == "bad" else f"Sentence {self.key(r)}." for r in requests
        ]
        done(dict(enumerate(answers)))
        return answers

    def close(self):
        self.closed += 1


def ask(label="good", seed=0):
    return Request(Plan(label, ""), seed=seed)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "answers.sqlite3"


def test_an_answer_is_asked_for_once(path):
    inner = Counting()
    cached = CachedVerbalizer(inner, path)
    first = cached.write([ask(seed=1), ask(seed=2), ask(seed=1)])
    assert first == ["Sentence good-1.", "Sentence good-2.", "Sentence good-1."]
    assert inner.asked == ["good-1", "good-2"]
    assert cached.write([ask(seed=2), ask(seed=3)]) == ["Sentence good-2.", "Sentence good-3."]
    assert inner.asked == ["good-1", "good-2", "good-3"]
    cached.close()


def test_answers_outlive_the_process_that_asked(path):
    first = CachedVerbalizer(Counting(), path)
    first.write([ask()])
    first.close()
    inner = Counting()
    second = CachedVerbalizer(inner, path)
    assert second.write([ask()]) == ["Sentence good-0."]
    assert inner.asked == []
    second.close()


def test_failures_are_asked_again(path):
    inner = Counting()
    cached = CachedVerbalizer(inner, path)
    for _ in range(2):
        answer = cached.write([ask("bad"), ask()])
        assert isinstance(answer[0], ModelError)
        assert answer[1] == "Sentence good-0."
    assert inner.asked == ["bad-0", "good-0", "bad-0"]
    cached.close()


def test_it_takes_name_and_prompt_of_the_inner_one_and_closes_it(path):
    inner = Counting()
    cached = CachedVerbalizer(inner, path)
    assert (cached.name, cached.prompt) == ("counting", "p")
    cached.close()
    cached.close()
    assert inner.closed == 2
    assert cached.write([ask()]) == ["Sentence good-0."]


@pytest.mark.parametrize(
    "rubbish", [b"this is no database" * 400, b"SQLite format 3\x00" + b"\xff" * 8000, b"\x00" * 5000]
)
def test_a_corrupt_file_is_set_aside_with_a_warning(path, rubbish):
    path.parent.mkdir()
    path.write_bytes(rubbish)
    cached = CachedVerbalizer(Counting(), path)
    assert cached.write([ask()]) == ["Sentence good-0."]
    cached.close()
    assert [issue.code for issue in cached.issues] == ["cache-corrupt"]
    assert path.with_name("answers.sqlite3.corrupt-1").read_bytes() == rubbish
    assert sqlite3.connect(path).execute("SELECT count(*) FROM answers").fetchone() == (1,)


def test_a_database_of_something_else_is_set_aside(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE answers (something)")
    other.close()
    cached = CachedVerbalizer(Counting(), path)
    assert cached.write([ask()]) == ["Sentence good-0."]
    assert [issue.code for issue in cached.issues] in (["cache-corrupt"], ["cache-unused"])
    cached.close()


def test_a_folder_in_its_place_stops_nothing(path):
    path.mkdir(parents=True)
    cached = CachedVerbalizer(Counting(), path)
    assert cached.write([ask()]) == ["Sentence good-0."]
    assert [issue.code for issue in cached.issues] == ["cache-unused"]
    cached.close()


@pytest.mark.parametrize("planted", ["two\nlines", "\u202ereversed text here", "", "x" * 5000, b"\xff\xfe"])
def test_what_someone_planted_in_the_file_is_not_taken(path, planted):
    cached = CachedVerbalizer(Counting(), path)
    cached.write([ask()])
    with sqlite3.connect(path) as other:
        other.execute("UPDATE answers SET sentence = ?", (planted,))
    other.close()
    assert cached.write([ask()]) == ["Sentence good-0."]
    cached.close()


def test_threads_share_one_cache(path):
    cached = CachedVerbalizer(Counting(), path)
    wrong = []

    def work():
        for seed in range(30):
            if cached.write([ask(seed=seed)]) != [f"Sentence good-{seed}."]:
                wrong.append(seed)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not cached.issues
    cached.close()


def test_processes_share_one_file(path):
    code = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from engine.plan import Plan
        from engine.verbalization.cache import CachedVerbalizer
        from engine.verbalization.port import Request

        class Echo:
            name, prompt = "echo", "p"
            def key(self, request): return str(request.seed)
            def write(self, requests, done):
                answers = [f"Sentence {r.seed}." for r in requests]
                done(dict(enumerate(answers)))
                return answers
            def close(self): pass

        cached = CachedVerbalizer(Echo(), Path(sys.argv[1]))
        for seed in range(60):
            assert cached.write([Request(Plan("a", ""), seed=seed)]) == [f"Sentence {seed}."]
        assert not cached.issues, cached.issues
        """
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT count(*) FROM answers").fetchone() == (60,)
    file.close()
