from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "spacy",
    "scispacy",
    "medspacy",
    "langchain",
    "langchain_core",
    "neo4j",
    "torch",
    "pandas",
    "numba",
    "rdflib",
    "kglite",
)


def loaded(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_engine_loads_nothing_heavy():
    assert loaded("import engine") == set()


def test_naming_the_public_functions_loads_nothing_heavy():
    assert loaded("from engine import open_graph, Settings, Criteria, Record, Issue, DualAlignError, write") == set()


def test_the_other_packages_load_nothing_heavy():
    assert loaded("import ontology, graph_loaders, engine.cli") == set()


def test_public_functions_are_functions_whatever_was_imported_before():
    code = "import engine.audit.coverage, engine.runs.generate, engine.writers; from engine import audit, generate, open_graph, write; print(all(map(callable, (audit, generate, open_graph, write))))"  # noqa: E501 - one statement
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_template_run_loads_no_language_library_and_no_data_frame():
    run = "from engine import generate, open_graph; assert len(list(generate(open_graph(), 2, seed=1))) == 2"
    code = f"{run}; import sys; print({{'spacy', 'medspacy', 'scispacy', 'sklearn', 'pandas', 'networkx', 'rdflib', 'langchain_core'}} & set(sys.modules))"  # noqa: E501 - one statement
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
