"""The public names of `ontology` are sorted, there, and light."""

import subprocess
import sys

import ontology


def test_public_names_are_sorted_and_there() -> None:
    assert sorted(ontology.__all__) == ontology.__all__
    assert all(hasattr(ontology, name) for name in ontology.__all__)


def test_ontology_loads_nothing_heavy() -> None:
    code = "import sys, ontology; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "pronto", "pydantic", "scipy", "scispacy", "spacy", "torch"} & set(loaded)
