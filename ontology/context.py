"""Assertion and informant of a mention, and what else its sentence and section say of it: severity, time.

ConText (Harkema et al., J Biomed Inform 2009) lets a cue reach over part of its sentence. Three passes read a sentence: two
for what is said of a concept (absent, possible ...; a relative's), one for who says it. All see simplified tokens: a concept
is `@`, a word that no rule knows is `_`. The rules are data: `context_rules.toml`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ontology.context_passes import ContextPass
from ontology.context_rules import CLOSE, CONCEPT, NUMBER, OPEN, PARTS, UNKNOWN, YEAR, join, read_rules
from ontology.mention import Assertion, Informant, Timex
from ontology.qualifiers import read_qualifiers
from ontology.sections import Section, read_sections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ontology.context_passes import Reached

__all__ = ["Context", "Said", "read_rules", "sentences"]

_PRIORITY = (
    Assertion.FAMILY,
    Assertion.HYPOTHETICAL,
    Assertion.POSSIBLE,
    Assertion.ABSENT,
    Assertion.HISTORICAL,
)  # the order of i2b2 2010: whose it is, then whether it is real, then whether it is there
_TOKEN = re.compile(r"[a-z]/[a-z](?![a-z])|[^\W_]+(?:'[^\W_]+)?|[^\w\s]")
_END = re.compile(r"[.!?](?:[\"')\]]*)\s+(?=[\"'(\[]*[A-Z0-9•])|\n\s*(?:\n|(?=[A-Z0-9•*-]))")
_ABBREVIATED = re.compile(
    r"(?:\b(?:[A-Za-z]|[Dd]r|[Mm]rs?|[Mm]s|[Pp]t|[Vv]s|e\.g|i\.e|approx|y\.o|[Hh]x|[Nn]o|[Pp]rof|[Ss]t))\.$"
)
_YEAR = re.compile(r"(?:19|20)\d\ds?")
_WINDOW = 120  # tokens on either side of a concept that may hold its cues
_NEAR = 80  # characters on either side of a word that may tell what it means
_PEOPLE = frozenset(
    f"<{kind}{s}>"
    for kind in ("mate", "offspring", "grandchild", "sibling", "elder", "other", "patient", "clinician")
    for s in ("", "'s")
)
_DESCENDANTS = frozenset(("<offspring>", "<offspring's>", "<grandchild>", "<grandchild's>"))
_ELDERS = frozenset(("<elder>", "<elder's>"))
_SPEAKING = frozenset(("<tells>", "<said>", "<observes>", "<observed>", "<denies>", "<thinks>", "<suspects>"))
_SAYING = _SPEAKING - {"<observes>", "<observed>"}
_APPOSITION = 9  # tokens between a person and the verb
_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "‐": "-", "‑": "-", "–": "-", "—": "-"}
)
_SHORTEST_ADVERB = 5


@dataclass(frozen=True, slots=True)
class Said:
    """What a text says of one mention; the fields are those of `ontology.mention.Mention`."""

    assertion: Assertion
    informant: Informant
    severity: str = ""
    severity_text: str = ""
    times: tuple[Timex, ...] = ()
    section: str = ""


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of `text` begin and end, together covering it; linear in its length.

    >>> list(sentences("Seen by Dr. Who. Lost twice."))
    [(0, 17), (17, 28)]
    """
    start = 0
    for match in _END.finditer(text):
        stop = match.end()
        mark = match.start()
        if text[mark] == "." and _ABBREVIATED.search(text, max(start, mark - 8), mark + 1):
            continue
        if text[mark] == "?" and (mark == start or not text[mark - 1].isalnum()):  # "CT: ? stroke" asks, and goes on
            continue
        if stop > start:
            yield start, stop
            start = stop
    if start < len(text):
        yield start, len(text)


class Context:
    """Judges the mentions of texts. Making one takes some seconds, once (mostly medspaCy's import).

    `skip=False` has ConText read every sentence, also those where no cue can match: slower, with the same answers.

    >>> Context().judge("Daughter denies wandering.", [(16, 25)])
    [(<Assertion.ABSENT: 'absent'>, <Informant.DAUGHTER: 'daughter'>)]
    """

    def __init__(self, *, skip: bool = True) -> None:
        self._rules = read_rules()
        self.passes = tuple(
            ContextPass(
                [cue for cue in self._rules.cues if cue.part == part],
                self._rules.folded[part],
                self._rules.gap_ends,
                skip=skip,
            )
            for part in PARTS
        )

    def other_sense(self, text: str, start: int, end: int) -> bool:
        """Whether the word from `start` to `end` means no concept here: "in the fall" is a season."""
        homograph = self._rules.homographs.get(text[start:end].lower())
        if homograph is None:
            return False
        before = text[max(0, start - _NEAR) : start]
        *_, sentence = "", *(before[first:last] for first, last in sentences(before))
        return homograph.fits(sentence.lower(), text[end : end + _NEAR].lower())

    def judge(self, text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[Assertion, Informant]]:
        """Assertion and informant of each span (characters, end exclusive, in order, not overlapping) of `text`."""
        return [
            judged
            for sentence, section, here in _placed(text, spans)
            for judged in self._judged(sentence, section, here)
        ]

    def read(self, text: str, spans: Sequence[tuple[int, int]]) -> list[Said]:
        """All that `text` says of each span (as for `judge`): assertion, informant, severity, times and section.

        >>> said = Context().read("Severe insomnia for two years.", [(7, 15)])[0]
        >>> said.severity, [(time.kind.value, time.text, time.value) for time in said.times]
        ('severe', [('duration', 'for two years', 'P2Y')])
        """
        found = []
        for sentence, section, here in _placed(text, spans):
            judged = self._judged(sentence, section, here)
            kind = section.kind if section else ""
            for (assertion, informant), more in zip(judged, read_qualifiers(sentence, here), strict=True):
                found.append(Said(assertion, informant, more.severity, more.severity_text, more.times, kind))
        return found

    def _judged(
        self, sentence: str, section: Section | None, spans: Sequence[tuple[int, int]]
    ) -> list[tuple[Assertion, Informant]]:
        judged = self._sentence(sentence, spans)
        return [section.applied(*one) for one in judged] if section else judged

    def _sentence(self, sentence: str, spans: Sequence[tuple[int, int]]) -> list[tuple[Assertion, Informant]]:
        lower = sentence.translate(_QUOTES).lower()
        if len(lower) != len(sentence):  # a letter whose small form is longer
            lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in sentence.translate(_QUOTES))
        tokens, names = [OPEN], [""]
        targets = []
        before = 0
        for start, end in spans:
            self._simplify(lower[before:start], tokens, names)
            self._verb(lower[start:end], tokens, names)
            targets.append(len(tokens))
            tokens.append(CONCEPT)
            names.append("")
            before = end
        self._simplify(lower[before:], tokens, names)
        tokens.append(CLOSE)
        names.append("")
        if '"' in lower:
            _silence_quoted(tokens, names)
        if len(tokens) <= 2 * _WINDOW:
            return self._window(tokens, names)
        judged = []
        for target in targets:
            first = max(0, target - _WINDOW)
            window = tokens[first : target + _WINDOW]
            found = self._window(window, names[first : target + _WINDOW])
            judged.append(found[window[: target - first].count(CONCEPT)])
        return judged

    def _window(self, tokens: Sequence[str], names: Sequence[str]) -> list[tuple[Assertion, Informant]]:
        places = [index for index, token in enumerate(tokens) if token == CONCEPT]
        nothing: tuple[Reached, ...] = ((),) * len(places)
        assertions, times, families, informants = (read(tokens) or nothing for read in self.passes)
        judged = []
        for place, said, when, whose, who in zip(places, assertions, times, families, informants, strict=True):
            speaker = _speaking(place, who, tokens)
            if isinstance(speaker, int):
                relatives = [cue for cue in whose if not _patient_of(tokens[speaker], tokens[cue[1] : cue[2]])]
                named = any(
                    start <= speaker < end for _, start, end in relatives
                )  # the one who had it does not tell it
                informant = Informant.CLINICIAN if named else self._rules.informants[names[speaker]]
            else:
                relatives, informant = list(whose), speaker
            judged.append((_assertion([*said, *when, *relatives]), informant))
        return judged

    def _verb(self, concept: str, tokens: list[str], names: list[str]) -> None:
        """The verb of speaking that begins a concept ("feels low") still says who speaks."""
        word, _, _ = concept.partition(" ")
        token = self._rules.words.get(word)
        if token in _SAYING:
            tokens.append(token)
            names.append(word)

    def _simplify(self, lower: str, tokens: list[str], names: list[str]) -> None:
        words = self._rules.words
        joined = self._rules.joined.sub(join, lower)
        first = len(tokens)
        for word in _TOKEN.findall(joined):
            token = words.get(word)
            if token is None:
                if word[0].isdigit():
                    token = YEAR if _YEAR.fullmatch(word) else NUMBER
                elif len(word) >= _SHORTEST_ADVERB and word.endswith("ly"):
                    continue
                else:
                    token = UNKNOWN
            if token:
                tokens.append(token)
                names.append(word)
        for at in range(len(tokens) - 2, first, -1):
            if tokens[at] in {",", "("} and tokens[at - 1] in _PEOPLE:
                end = _apposition(tokens, at)
                del tokens[at:end], names[at:end]


def _placed(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[str, Section | None, list[tuple[int, int]]]]:
    """Each sentence that holds spans, with its section and the spans counted from its start."""
    if not spans:
        return
    place = 0
    for section in read_sections(text):
        for first, last in sentences(text[section.start : section.end]):
            start, end = first + section.start, last + section.start
            here = []
            while place < len(spans) and spans[place][0] < end:
                here.append(spans[place])
                place += 1
            if here:
                yield (
                    text[start : max(end, here[-1][1])],
                    section if section.kind else None,
                    [(a - start, b - start) for a, b in here],
                )
            if place == len(spans):
                return


def _apposition(tokens: Sequence[str], opening: int) -> int:
    """Where "Daughter, who lives with him, reports" goes on with "reports"; `opening` itself where it does not."""
    closing = {")"} if tokens[opening] == "(" else {",", "who"}
    for at in range(opening + 1, min(opening + _APPOSITION, len(tokens) - 1)):
        if tokens[at] in closing and (tokens[at + 1] in _SPEAKING or (tokens[at] == ")" and tokens[at + 1] == ",")):
            return at + 1
    return opening


def _silence_quoted(tokens: list[str], names: Sequence[str]) -> None:
    """Between quotation marks "I" is whoever is quoted, not the writer."""
    quoted = False
    for at, name in enumerate(names):
        if name == '"':
            quoted = not quoted
        elif quoted and name in {"i", "we"}:
            tokens[at] = UNKNOWN


def _patient_of(speaker: str, cue: Sequence[str]) -> bool:
    """Whether the relative that a cue names is the patient: "Son says that his mother wanders", "Mother reports the child ..."."""
    people = {token for token in cue if token in _PEOPLE}
    if not people or cue[0] in {"maternal", "paternal"}:
        return False
    return (speaker in _DESCENDANTS and people <= _ELDERS) or (speaker in _ELDERS and people <= _DESCENDANTS)


def _assertion(cues: Sequence[tuple[str, int, int]]) -> Assertion:
    said = {category.lower() for category, _, _ in cues}
    if "dated" in said and "onset" not in said:
        said.add(Assertion.HISTORICAL.value)
    if "unnegated" in said:
        said.discard(Assertion.ABSENT.value)
    return next((one for one in _PRIORITY if one.value in said), Assertion.PRESENT)


def _speaking(place: int, cues: Sequence[tuple[str, int, int]], tokens: Sequence[str]) -> int | Informant:
    """Where the nearest speaker is named. "She says" alone is the patient, but after "Daughter reports that" the daughter."""
    named = [cue for cue in cues if cue[0] != "PRONOUN"]
    if not named:
        return Informant.PATIENT if cues else Informant.CLINICIAN
    category, start, end = min(named, key=lambda cue: (cue[1] - place if cue[1] > place else place - cue[2], cue[1]))
    people = [at for at in range(start, end) if tokens[at] in _PEOPLE]
    return people[0] if category == "PERSON" and people else Informant.CLINICIAN
