"""Assertion and informant of a mention: medspaCy's ConText with the rules of `context_rules.toml`.

ConText (Harkema et al., J Biomed Inform 2009) lets a cue reach over part of its sentence. Two passes read a sentence: one
for what is said of a concept (absent, possible ...), one for who says it. Both see simplified tokens: a concept is `@`,
a word that no rule knows is `_`. So the vocabulary stays closed whatever the text, and sentences of one shape are
judged once.
"""

from __future__ import annotations

import itertools
import re
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from ontology.mention import Assertion, Informant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Context", "Cue", "Rules", "read_rules", "sentences"]

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
_WINDOW = 120  # tokens on either side of a concept that may hold its cues
_NEAR = 80  # characters on either side of a word that may tell what it means
_REMEMBERED = 65_536
_CONCEPT, _UNKNOWN, _NUMBER, _OPEN, _CLOSE = "@", "_", "<number>", "^", "$"
_PARTS = (
    "assertion",
    "family",
    "informant",
)  # each read by a pass of its own, so that their cues do not hide one another
_PEOPLE = frozenset(
    f"<{kind}{s}>"
    for kind in ("mate", "offspring", "grandchild", "sibling", "elder", "other", "patient", "clinician")
    for s in ("", "'s")
)
_SPEAKING = frozenset(("<says>", "<notes>", "<denies>", "<thinks>", "<suspects>"))
_APPOSITION = 9  # tokens between a person and the verb
_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "‐": "-", "‑": "-", "–": "-", "—": "-"})


@dataclass(frozen=True, slots=True)
class Cue:
    """A rule: `tokens` give `category` to concepts in `direction` (forward, backward or pseudo), at most `scope` tokens
    away, up to a cue of a category in `until`.
    """

    part: str
    category: str
    direction: str
    tokens: tuple[str, ...]
    scope: int | None
    until: tuple[str, ...]


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of `text` begin and end, together covering it; linear in its length.

    >>> list(sentences("Seen by Dr. Who. Lost twice."))
    [(0, 17), (17, 28)]
    """
    start = 0
    for match in _END.finditer(text):
        stop = match.end()
        if text[match.start()] == "." and _ABBREVIATED.search(text, max(start, match.start() - 8), match.start() + 1):
            continue
        if stop > start:
            yield start, stop
            start = stop
    if start < len(text):
        yield start, len(text)


class Context:
    """Judges the mentions of texts. Making one takes about four seconds, once (mostly medspaCy's import).

    >>> Context().judge("Daughter denies wandering.", [(16, 25)])
    [(<Assertion.ABSENT: 'absent'>, <Informant.DAUGHTER: 'daughter'>)]
    """

    def __init__(self) -> None:
        self._rules = read_rules()
        self._shape = lru_cache(maxsize=_REMEMBERED)(_Judge(self._rules.cues))

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
        judged: list[tuple[Assertion, Informant]] = []
        if not spans:
            return judged
        place = 0
        for start, end in sentences(text):
            here = []
            while place < len(spans) and spans[place][0] < end:
                here.append(spans[place])
                place += 1
            if here:
                judged.extend(
                    self._sentence(text[start : max(end, here[-1][1])], [(a - start, b - start) for a, b in here])
                )
            if place == len(spans):
                break
        return judged

    def _sentence(self, sentence: str, spans: Sequence[tuple[int, int]]) -> list[tuple[Assertion, Informant]]:
        lower = sentence.translate(_QUOTES).lower()
        if len(lower) != len(sentence):  # a letter whose small form is longer
            lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in sentence.translate(_QUOTES))
        tokens, names = [_OPEN], [""]
        targets = []
        before = 0
        for start, end in spans:
            self._simplify(lower[before:start], tokens, names)
            targets.append(len(tokens))
            tokens.append(_CONCEPT)
            names.append("")
            before = end
        self._simplify(lower[before:], tokens, names)
        tokens.append(_CLOSE)
        if len(tokens) <= 2 * _WINDOW:
            return [(said, self._speaker(who, names)) for said, who in self._shape(tuple(tokens))]
        judged = []
        for target in targets:
            first = max(0, target - _WINDOW)
            window = tuple(tokens[first : target + _WINDOW])
            said, who = self._shape(window)[window[: target - first].count(_CONCEPT)]
            judged.append((said, self._speaker(who, names, first)))
        return judged

    def _speaker(self, who: int | Informant, names: Sequence[str], first: int = 0) -> Informant:
        return who if isinstance(who, Informant) else self._rules.informants[names[first + who]]

    def _simplify(self, lower: str, tokens: list[str], names: list[str]) -> None:
        words = self._rules.words
        joined = self._rules.joined.sub(_join, lower)
        first = len(tokens)
        for word in _TOKEN.findall(joined):
            token = words.get(word)
            if token is None:
                token = _NUMBER if word[0].isdigit() else _UNKNOWN
            if token:
                tokens.append(token)
                names.append(word)
        for at in range(len(tokens) - 2, first, -1):
            if tokens[at] == "," and tokens[at - 1] in _PEOPLE:
                end = _apposition(tokens, at)
                del tokens[at:end], names[at:end]


def _apposition(tokens: Sequence[str], comma: int) -> int:
    """Where "Daughter, who lives with him, reports" goes on with "reports"; `comma` itself where it does not."""
    for at in range(comma + 1, min(comma + _APPOSITION, len(tokens) - 1)):
        if tokens[at] in {",", "who"} and tokens[at + 1] in _SPEAKING:
            return at + 1
    return comma


def _join(match: re.Match[str]) -> str:
    return match[0].replace(" ", "").replace("-", "").replace(".", "")


class _Judge:
    """From simplified tokens to one judgement for each `@`: assertion, and informant or the token that names them."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        with warnings.catch_warnings():  # medspaCy silences every warning of the process when it is imported
            warnings.simplefilter("ignore")  # what spaCy's imports deprecate is not for our users
            import spacy
            from medspacy.context import ConText
        from spacy.tokens import Doc, Span

        self._doc, self._span = Doc, Span
        self._nlp = spacy.blank("en")
        self._nlp.tokenizer = self._tokenised
        self._passes: dict[str, Any] = {}
        for part in _PARTS:
            component = ConText(self._nlp, rules=None, span_attrs=None, prune_on_target_overlap=True)
            first, *others = (cue for cue in cues if cue.part == part)
            component.add([_rule(first, [{"ORTH": token} for token in first.tokens]), *map(_rule, others)])
            self._passes[part] = component

    def _tokenised(self, text: str) -> Any:
        words = text.split(" ")
        return self._doc(self._nlp.vocab, words=words, spaces=[True] * len(words))

    def __call__(self, tokens: tuple[str, ...]) -> tuple[tuple[Assertion, int | Informant], ...]:
        doc = self._doc(self._nlp.vocab, words=tokens, sent_starts=[True] + [False] * (len(tokens) - 1))
        places = [index for index, token in enumerate(tokens) if token == _CONCEPT]
        doc.ents = [self._span(doc, place, place + 1, label="CONCEPT") for place in places]
        assertions, families, informants = (self._reaching(doc, part) for part in _PARTS)
        return tuple(
            (
                _assertion([*assertions.get(at, ()), *families.get(at, ())]),
                _speaking(at, informants.get(at, ()), tokens),
            )
            for at in places
        )

    def _reaching(self, doc: Any, part: str) -> dict[int, list[tuple[str, int, int]]]:
        """The cues that reach each concept: category and place."""
        self._passes[part](doc)
        found: dict[int, list[tuple[str, int, int]]] = {}
        for target, modifier in doc._.context_graph.edges:
            found.setdefault(target.start, []).append((modifier.category, *modifier.modifier_span))
        return found


def _assertion(cues: Sequence[tuple[str, int, int]]) -> Assertion:
    said = {category.lower() for category, _, _ in cues}
    return next((one for one in _PRIORITY if one.value in said), Assertion.PRESENT)


def _speaking(place: int, cues: Sequence[tuple[str, int, int]], tokens: Sequence[str]) -> int | Informant:
    """Where the nearest speaker is named. "She says" alone is the patient, but after "Daughter reports that" the daughter."""
    named = [cue for cue in cues if cue[0] != "PRONOUN"]
    if not named:
        return Informant.PATIENT if cues else Informant.CLINICIAN
    category, start, end = min(named, key=lambda cue: (cue[1] - place if cue[1] > place else place - cue[2], cue[1]))
    people = [at for at in range(start, end) if tokens[at] in _PEOPLE]
    return people[0] if category == "PERSON" and people else Informant.CLINICIAN


def _rule(cue: Cue, pattern: list[dict[str, str]] | None = None) -> Any:
    """The cue for medspaCy; one of a component has a `pattern`, since spaCy warns at each call of a matcher with none."""
    from medspacy.context import ConTextRule

    return ConTextRule(
        " ".join(cue.tokens),
        cue.category,
        pattern=pattern,
        direction=cue.direction.upper(),
        max_scope=cue.scope,
        terminated_by=set(cue.until) or None,
    )


@dataclass(frozen=True, slots=True)
class Homograph:
    """Surroundings (before, after) in which a word means something else, and what before it speaks against that."""

    around: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]
    unless: re.Pattern[str]

    def fits(self, before: str, after: str) -> bool:
        """Whether the word between these two texts in lower case means something else."""
        if self.unless.search(before):
            return False
        return any(first.search(before) and then.match(after) for first, then in self.around)


@dataclass(frozen=True, slots=True)
class Rules:
    """The content of `context_rules.toml`: the simplified form of each known word ("" where it is dropped), the informant
    that a word for a person stands for, words written apart that count as one, every cue spelt out, and words with another meaning.
    """

    words: Mapping[str, str]
    informants: Mapping[str, Informant]
    joined: re.Pattern[str]
    cues: tuple[Cue, ...]
    homographs: Mapping[str, Homograph]


@lru_cache(maxsize=1)
def read_rules() -> Rules:
    """The rules that are shipped; of two alike, the first in the file stands."""
    raw = tomllib.loads(resources.files("ontology").joinpath("context_rules.toml").read_text("utf-8"))
    words, informants, compounds = _read_words(raw)
    cues: dict[tuple[str, tuple[str, ...]], Cue] = {}
    for part, group in [(name, group) for name in _PARTS for group in raw[name]]:
        for phrase in group["phrases"]:
            for tokens in _spelt(_grouped(phrase, raw["groups"]), words):
                until = tuple(group.get("until", ()))
                cue = Cue(part, group["category"], group["direction"], tokens, group.get("scope"), until)
                cues.setdefault((part, tokens), cue)
    for token in {token for cue in cues.values() for token in cue.tokens}:
        words.setdefault(token, token)
    words.update(dict.fromkeys((_CONCEPT, _UNKNOWN, _OPEN, _CLOSE), _UNKNOWN))
    joined = [rf"\b{name.replace(' ', '[ -]?')}\b" for name in sorted(compounds, key=len, reverse=True)]
    joined.append(rf"\b(?:{'|'.join(raw['abbreviated'])})\.(?= )")
    return Rules(words, informants, re.compile("|".join(joined)), tuple(cues.values()), _read_homographs(raw))


def _read_homographs(raw: Mapping[str, Any]) -> dict[str, Homograph]:
    found = {}
    for one in raw["homographs"]:
        around = tuple(part.replace(" ", r"\s+").split("@") for part in one["around"])
        found[one["word"]] = Homograph(
            tuple(
                (re.compile(rf"(?:^|\W){before}\Z"), re.compile(rf"{after}\b" if after else ""))
                for before, after in around
            ),
            re.compile(rf"\b{one['unless']}\b"),
        )
    return found


def _read_words(raw: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Informant], list[str]]:
    words = dict.fromkeys(raw["dropped"].split(), "")
    informants: dict[str, Informant] = {}
    compounds: list[str] = list(raw["joined"])
    classes = [(f"<{name}>", members.split()) for name, members in raw["classes"].items()]
    for kind, people in raw["persons"].items():
        for informant, names in people.items():
            compounds += [name for name in names if " " in name]
            joined = [name.replace(" ", "") for name in names]
            possessive = [f"{name}'s" for name in joined]
            informants |= dict.fromkeys([*joined, *possessive], Informant(informant))
            classes += [(f"<{kind}>", joined), (f"<{kind}'s>", [name for name in possessive if name not in words])]
    for name, members in classes:
        for word in members:
            if words.get(word, name) != name:
                raise ValueError(
                    f"context_rules.toml: {word!r} is in two classes, {words[word]!r} and {name!r}; keep one"
                )
            words[word] = name
    return words, informants, compounds


def _grouped(phrase: str, groups: Mapping[str, str]) -> str:
    """The phrase with the classes of each group in the place of its name."""
    for name, members in groups.items():
        phrase = phrase.replace(f"(<{name}>", f"({members}").replace(f"|<{name}>", f"|{members}")
        phrase = phrase.replace(f"<{name}>", f"({members})")
    return phrase


_ITEM = re.compile(r"\((?! )([^()]*[^() ])\)(\?)?|(\S+)")


def _spelt(phrase: str, words: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Every token sequence that a phrase of the rules stands for.

    >>> sorted(_spelt("(no|any) new? sign", {}))
    [('any', 'new', 'sign'), ('any', 'sign'), ('no', 'new', 'sign'), ('no', 'sign')]
    """
    choices: list[list[tuple[str, ...]]] = []
    for group, optional, item in _ITEM.findall(phrase):
        alternatives = group.split("|") if group else [item]
        skip = bool(optional)
        if item.endswith("?") and len(item) > 1:
            alternatives, skip = [item[:-1]], True
        spelt = [
            tuple(simple for word in option.split() if (simple := words.get(word, word))) for option in alternatives
        ]
        choices.append([one for one in spelt if one])  # an alternative of dropped words alone would say too much
        if skip or not choices[-1]:
            choices[-1].append(())
    for chosen in itertools.product(*choices):
        tokens = tuple(token for token in itertools.chain.from_iterable(chosen) if token)
        if tokens:
            yield tokens
