"""CUIs are parsed once; a concept's strings have its name first and no repeats."""

import pytest

from ontology.concept import Concept, parse_cui


@pytest.mark.parametrize("text", ["", "C123", "C00023955", "c0002395", "C0002395\n", "C000239５", "D0002395"])
def test_what_is_no_cui_is_shown(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_cui(text)
    assert repr(text) in str(caught.value)


def test_strings_begin_with_the_name_and_do_not_repeat() -> None:
    concept = Concept(parse_cui("C0000001"), "a", ("b", "a"), lay=("c", "b"))
    assert concept.strings == ("a", "b", "c")
