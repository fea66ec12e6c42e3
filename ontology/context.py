"""Assertion and informant of a mention, and what else its sentence and section say of it: severity, time.

ConText (Harkema et al., J Biomed Inform 2009) lets a cue reach over part of its sentence. Three passes read a sentence: two
for what is said of a concept (absent, possible ...; a relative's), one for who says it. All see simplified tokens: a concept
is `@`, a word that no rule knows is `_`. The rules are data: `context_rules.toml`.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ontology.context_decisions import PEOPLE, Pronoun, assertion_of, is_the_patient, speaker_of
from ontology.context_passes import ContextPass
from ontology.context_pronouns import Speakers
from ontology.context_rules import CLOSE, CONCEPT, NUMBER, OPEN, OWN, PARTS, UNKNOWN, YEAR, join, read_rules
from ontology.context_sentences import sentences
from ontology.mention import Assertion, Informant, Timex
from ontology.qualifiers import is_severity, read_qualifiers
from ontology.sections import Section, read_sections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ontology.context_passes import Reached

__all__ = ["Context", "Said", "read_rules", "sentences"]

_TOKEN = re.compile(r"[a-z]/[a-z]?(?![a-z])|[^\W_]+(?:'[^\W_]+)?|[^\w\s]")
_YEAR = re.compile(r"(?:19|20)\d\ds?")
_WINDOW = 120  # tokens on either side of a concept that may hold its cues
_NEAR = 80  # characters on either side of a word that may tell what it means
_SPEAKING = frozenset(
    ("<tells>", "<said>", "<observes>", "<remarks>", "<noticed>", "<witnessed>", "<denies>", "<thinks>", "<suspects>")
)
_SAYING = _SPEAKING - {"<observes>", "<remarks>", "<noticed>", "<witnessed>"}
_MARKING = frozenset("[(+☐☑☒✓✔✅□")
_HEAD = 2_000  # characters of a text that introduce the patient
_REMEMBERED = 600  # characters that a person is remembered for
_APPOSITION = 9  # tokens between a person and the verb
_CLOSING = {"(": {")"}, ",": {",", "who"}, "who": set[str]()}  # what closes an apposition; none: any token
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


class Context:
    """Judges the mentions of texts. Making one takes a quarter of a second, once.

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
        """Whether the word from `start` to `end` means no concept here: "in the fall" is a season, "severe" a degree."""
        word = text[start:end].lower()
        if word in self._rules.modifiers or is_severity(word):
            return True
        homograph = self._rules.homographs.get(word)
        if homograph is None:
            return False
        before = text[max(0, start - _NEAR) : start]
        *_, sentence = "", *(before[first:last] for first, last in sentences(before))
        return homograph.fits(sentence.lower(), text[end : end + _NEAR].lower())

    def judge(self, text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[Assertion, Informant]]:
        """Assertion and informant of each span (characters, end exclusive, in order, not overlapping) of `text`."""
        return [
            judged
            for start, sentence, section, here in _placed(text, spans)
            for judged in self._judged(text, start, sentence, section, here)
        ]

    def read(self, text: str, spans: Sequence[tuple[int, int]]) -> list[Said]:
        """All that `text` says of each span (as for `judge`): assertion, informant, severity, times and section.

        >>> said = Context().read("Severe insomnia for two years.", [(7, 15)])[0]
        >>> said.severity, [(time.kind.value, time.text, time.value) for time in said.times]
        ('severe', [('duration', 'for two years', 'P2Y')])
        """
        found = []
        for start, sentence, section, here in _placed(text, spans):
            judged = self._judged(text, start, sentence, section, here)
            kind = section.kind if section else ""
            for (assertion, informant), more in zip(judged, read_qualifiers(sentence, here), strict=True):
                found.append(Said(assertion, informant, more.severity, more.severity_text, more.times, kind))
        return found

    def _judged(
        self, text: str, place: int, sentence: str, section: Section | None, spans: Sequence[tuple[int, int]]
    ) -> list[tuple[Assertion, Informant]]:
        judged = []
        lower = _lower(sentence)
        named: dict[Pronoun, Informant] = {}
        speakers = None
        for assertion, said in self._sentence(lower, spans):
            if isinstance(said, Informant):
                informant = said
            else:
                speakers = speakers or self._speakers(text, place, lower, section)
                if said not in named:
                    named[said] = speakers.speaker(said.word, _nth(said, lower))
                informant = named[said]
            judged.append(section.applied(assertion, informant) if section else (assertion, informant))
        return judged

    def _speakers(self, text: str, place: int, sentence: str, section: Section | None) -> Speakers:
        """Whose word it is that "he", "she", "they" or no subject at all introduces."""
        first = section.start if section else 0
        before = _lower(text[max(first, place - _REMEMBERED) : place])
        head = _lower(text[:_HEAD]) if place > _REMEMBERED or first else before
        return Speakers(self._rules.pronouns, head, before, sentence, section.informant if section else None)

    def _sentence(self, lower: str, spans: Sequence[tuple[int, int]]) -> list[tuple[Assertion, Informant | Pronoun]]:
        edges = [0, *itertools.chain.from_iterable(spans), len(lower)]
        gaps = [lower[first:last] for first, last in zip(edges[::2], edges[1::2], strict=True)]
        if not _MARKING.isdisjoint(lower):
            gaps = self._rules.marks.spelt(gaps)
        tokens, names = [OPEN], [""]
        targets = []
        for gap, (start, end) in zip(gaps, spans, strict=False):
            self._simplify(gap, tokens, names)
            self._verb(lower[start:end], tokens, names)
            targets.append(len(tokens))
            tokens.append(CONCEPT)
            names.append("")
        self._simplify(gaps[-1], tokens, names)
        tokens.append(CLOSE)
        names.append("")
        if '"' in lower:
            _silence_quoted(tokens, names)
        if len(tokens) <= 2 * _WINDOW:
            return self._window(tokens, names)
        judged = []
        for target, *reached in zip(
            targets, *(one.windows(tokens, targets, _WINDOW) for one in self.passes), strict=True
        ):
            window = slice(max(0, target - _WINDOW), target + _WINDOW)
            judged.append(self._mention(target - window.start, reached, tokens[window], names[window]))
        return judged

    def _window(self, tokens: Sequence[str], names: Sequence[str]) -> list[tuple[Assertion, Informant | Pronoun]]:
        places = [index for index, token in enumerate(tokens) if token == CONCEPT]
        nothing: tuple[Reached, ...] = ((),) * len(places)
        passes = (read(tokens) or nothing for read in self.passes)
        return [self._mention(place, reached, tokens, names) for place, *reached in zip(places, *passes, strict=True)]

    def _mention(
        self, place: int, reached: Sequence[Reached], tokens: Sequence[str], names: Sequence[str]
    ) -> tuple[Assertion, Informant | Pronoun]:
        """What the cues that reach a concept in each pass say of it."""
        said, when, whose, who = reached
        speaker = speaker_of(place, who, tokens, names)
        informant: Informant | Pronoun
        if isinstance(speaker, int):
            relatives = [
                cue
                for cue in whose
                if not is_the_patient(tokens[speaker], tokens[cue[1] : cue[2]], names[cue[1] : cue[2]])
            ]
            named = any(start <= speaker < end for _, start, end in relatives)  # the one who had it does not tell it
            informant = Informant.CLINICIAN if named else self._named(speaker, tokens, names)
            if speaker == place - 2 and tokens[place - 1].endswith(OWN) and informant.kind == "other":
                return Assertion.FAMILY, Informant.CLINICIAN  # "Wife feels depressed."
        else:
            relatives, informant = list(whose), speaker
        assertion = assertion_of([*said, *when, *relatives], told=informant)
        if assertion == Assertion.FAMILY and isinstance(speaker, int) and tokens[speaker - 1] == "(":
            informant = Informant.CLINICIAN  # "FHx: stroke (father)"
        return assertion, informant

    def _named(self, speaker: int, tokens: Sequence[str], names: Sequence[str]) -> Informant:
        """Who that is; a person in brackets is the more exact word: "Informant (son): ..."."""
        informant = self._rules.informants[names[speaker]]
        if speaker + 2 < len(tokens) and tokens[speaker + 1] == "(" and tokens[speaker + 2] in PEOPLE:
            exact = self._rules.informants[names[speaker + 2]]
            return exact if informant.covers(exact) else informant
        return informant

    def _verb(self, concept: str, tokens: list[str], names: list[str]) -> None:
        """The verb of speaking that begins a concept ("feels low") still says who speaks, and nothing else: it ends no denial."""
        word, _, _ = concept.partition(" ")
        token = self._rules.words.get(word)
        if token in _SAYING:
            tokens.append(token + OWN)
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
            while tokens[at] in {",", "(", "who"} and tokens[at - 1] in PEOPLE:  # one may follow another
                end = _apposition(tokens, at)
                if end == at:
                    break
                del tokens[at:end], names[at:end]


def _nth(said: Pronoun, sentence: str) -> int:
    """The character where a pronoun of a sentence stands."""
    at = next(itertools.islice(re.finditer(rf"\b{said.word}\b", sentence), said.nth, None), None)
    return at.start() if at else 0


def _lower(text: str) -> str:
    """Small letters and plain quotes, each where it was."""
    if text.isascii():
        return text.replace("`", "'").lower()
    lower = text.translate(_QUOTES).lower()
    if len(lower) != len(text):  # a letter whose small form is longer
        lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in text.translate(_QUOTES))
    return lower


def _placed(
    text: str, spans: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, str, Section | None, list[tuple[int, int]]]]:
    """Each sentence that holds spans, with its place, its section and the spans counted from its start."""
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
                    start,
                    text[start : max(end, here[-1][1])],
                    section if section.kind else None,
                    [(a - start, b - start) for a, b in here],
                )
            if place == len(spans):
                return


def _apposition(tokens: Sequence[str], opening: int) -> int:
    """Where "Daughter, who lives with him, reports" goes on with "reports"; `opening` itself where it does not."""
    closing = _CLOSING[tokens[opening]]
    for at in range(opening + 1, min(opening + _APPOSITION, len(tokens) - 1)):
        if closing and tokens[at] not in closing:
            continue
        after = itertools.takewhile(lambda one: one != ",", tokens[at + 1 : at + 4])
        following = next((token for token in after if token[0] == "<" and token not in {"<has>", "<be>"}), "")
        if following in _SPEAKING or (tokens[at] == ")" and (tokens[at + 1] == "," or following == "<concerned>")):
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
