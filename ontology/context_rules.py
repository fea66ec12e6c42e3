"""`Rules`: what `context_rules.toml` says, spelt out for `ontology.context`."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from ontology.context_marks import Marks
from ontology.context_pronouns import Pronouns
from ontology.mention import Informant

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CLOSE",
    "CONCEPT",
    "GAP",
    "NUMBER",
    "OPEN",
    "OWN",
    "PARTS",
    "UNKNOWN",
    "YEAR",
    "Cue",
    "Homograph",
    "Rules",
    "join",
    "read_rules",
]

CONCEPT, UNKNOWN, NUMBER, YEAR, OPEN, CLOSE = "@", "_", "<number>", "<year>", "^", "$"
GAP = "~"
"""In a cue: up to four tokens that neither name a person, speak, nor end a phrase."""
OWN = "@"
"""What a token that a concept begins with ends in; only for the informant it counts as the token."""
PARTS = (
    "assertion",
    "when",
    "family",
    "informant",
)  # each read by a pass of its own, so that their cues do not hide one another


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
    that a word for a person stands for, words written apart that count as one, every cue spelt out, what a token counts as
    in one part ("every relative alike"), the tokens that end a gap, words with another meaning or none by themselves,
    marks and pronouns.
    """

    words: Mapping[str, str]
    informants: Mapping[str, Informant]
    joined: re.Pattern[str]
    cues: tuple[Cue, ...]
    folded: Mapping[str, Mapping[str, str]]
    gap_ends: frozenset[str]
    homographs: Mapping[str, Homograph]
    modifiers: frozenset[str]
    marks: Marks
    pronouns: Pronouns


@lru_cache(maxsize=1)
def read_rules() -> Rules:
    """The rules that are shipped; of two alike, the first in the file stands."""
    raw = tomllib.loads(resources.files("ontology").joinpath("context_rules.toml").read_text("utf-8"))
    words, informants, compounds = _read_words(raw)
    folded: dict[str, dict[str, str]] = {part: {} for part in PARTS}
    joined = [rf"\b{name.replace(' ', '[ -]?')}\b" for name in sorted(compounds, key=len, reverse=True)]
    together = re.compile("|".join(joined))
    for part, kinds in raw["alike"].items():
        for name, members in kinds.items():
            folded[part] |= {f"<{one}{s}>": f"<{name}{s}>" for one in members.split() for s in ("", "'s")}
    who = folded["informant"]
    who |= {f"<{name}>{OWN}": who.get(f"<{name}>", f"<{name}>") for name in raw["classes"]}
    cues: dict[tuple[str, tuple[str, ...]], Cue] = {}
    spelt_out: set[str] = set()
    for part, group in [(name, group) for name in PARTS for group in raw[name]]:
        until = tuple(group.get("until", ()))
        for phrase in group["phrases"]:
            choices = _choices(together.sub(join, _grouped(phrase, raw["groups"])), words)
            spelt_out.update(token for options in choices for option in options for token in option)
            for alike in _spelt(choices, folded[part]):
                if (part, alike) not in cues:
                    cue = Cue(part, group["category"], group["direction"], alike, group.get("scope"), until)
                    cues[part, alike] = cue
    for token in spelt_out:
        words.setdefault(token, token)
    words.update(dict.fromkeys((CONCEPT, UNKNOWN, OPEN, CLOSE, GAP), UNKNOWN))
    joined.append(rf"\b(?:{'|'.join(raw['abbreviated'])}|[a-z])\.(?= )")
    return Rules(
        words=words,
        informants=informants,
        joined=re.compile("|".join(joined)),
        cues=tuple(cues.values()),
        folded=folded,
        gap_ends=frozenset(_grouped(raw["gap_ends"], raw["groups"]).translate(str.maketrans("(|)", "   ")).split()),
        homographs=_read_homographs(raw),
        modifiers=frozenset(raw["modifiers"].split()),
        marks=Marks.of(raw["marks"]),
        pronouns=Pronouns.of(raw["pronouns"], raw["persons"]),
    )


def _read_homographs(raw: Mapping[str, Any]) -> dict[str, Homograph]:
    found = {}
    for one in raw["homographs"]:
        around = tuple(part.replace(" ", r"\s+").split("@") for part in one["around"])
        found[one["word"]] = Homograph(
            tuple(
                (re.compile(rf"(?:^|\W){before}\Z"), re.compile(rf"{after}\b" if after else ""))
                for before, after in around
            ),
            re.compile(rf"\b{one.get('unless', '(?!)')}\b"),
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
    words |= raw["same"]
    for name, members in classes:
        for word in members:
            if words.get(word, name) != name:
                raise ValueError(
                    f"context_rules.toml: {word!r} is in two classes, {words[word]!r} and {name!r}; keep one"
                )
            words[word] = name
    return words, informants, compounds


def join(match: re.Match[str]) -> str:
    """Words written apart that count as one, as one."""
    return match[0].replace(" ", "").replace("-", "").replace(".", "")


def _grouped(phrase: str, groups: Mapping[str, str]) -> str:
    """The phrase with the classes of each group in the place of its name."""
    for name, members in groups.items():
        phrase = phrase.replace(f"(<{name}>", f"({members}").replace(f"|<{name}>", f"|{members}")
        phrase = phrase.replace(f"<{name}>", f"({members})")
    return phrase


_ITEM = re.compile(r"\((?! )([^()]*[^() ])\)(\?)?|(\S+)")


def _choices(phrase: str, words: Mapping[str, str]) -> list[list[tuple[str, ...]]]:
    """The tokens that may stand for each item of a phrase of the rules.

    >>> _choices("(no|any) new? sign", {})
    [[('no',), ('any',)], [('new',), ()], [('sign',)]]
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
    return choices


def _spelt(choices: list[list[tuple[str, ...]]], folded: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Every token sequence that these choices stand for, with the tokens that count alike as one.

    >>> list(_spelt([[("wife",), ("son",)], [("new",), ()]], {"son": "wife"}))
    [('wife', 'new'), ('wife',)]
    """
    alike = [dict.fromkeys(tuple(folded.get(one, one) for one in option) for option in options) for options in choices]
    for chosen in itertools.product(*alike):
        tokens = tuple(itertools.chain.from_iterable(chosen))
        if tokens:
            yield tokens
