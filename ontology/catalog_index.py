"""`StoredIndex`: search over the strings of a built catalog: full text by SQLite's FTS5, and near words.

A row's number in the full-text table begins with how long its string is, so rows that come first are the short ones: the
first hundred rows that have all words hold the best matches, however common the words are, and the rest is never read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ontology.catalog_search import LONGEST, likeness, plain

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from ontology.concept import Cui

__all__ = ["StoredIndex", "near_word", "place"]

_CONCEPT_BITS, _PLACE_BITS, _LONG = 28, 14, 255
_WORDS = 12  # of a search
_SHORTEST = 3  # letters of a word that may be cut or misspelt
_NEAR = 4  # words that one may stand for
_FINALISTS = 60  # strings compared letter by letter
_COMPLETED = 1500  # words that begin with a cut one
_SCANNED = 4000  # words compared with a misspelt one, at each end


def place(concept: int, at: int, text: str) -> int:
    """The number of a row: length in words and letters, concept, and which of its strings."""
    size = min(_LONG, text.count(" ") * 8 + len(text) // 8)
    return size << (_CONCEPT_BITS + _PLACE_BITS) | concept << _PLACE_BITS | min(at, (1 << _PLACE_BITS) - 1)


def near_word(a: str, b: str) -> bool:
    """Whether one letter put in, left out or changed, or two swapped, make one word the other.

    >>> near_word("apathy", "apahty"), near_word("apathy", "apthy"), near_word("apathy", "empathy")
    (True, True, False)
    """
    if abs(len(a) - len(b)) > 1:
        return False
    shorter = min(len(a), len(b))
    head = 0
    while head < shorter and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < shorter - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    rest_a, rest_b = a[head : len(a) - tail], b[head : len(b) - tail]
    return max(len(rest_a), len(rest_b)) <= 1 or (len(rest_a) == 2 and rest_a == rest_b[::-1])  # noqa: PLR2004 - a pair


class StoredIndex:
    """Searches one open file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def search(
        self, text: str, limit: int, exact: Iterable[Cui], number: Callable[[str], int | None]
    ) -> list[tuple[int, float]]:
        """Numbers of concepts with their likeness, best first, ties by number. `exact`: concepts that have the very text."""
        wanted = plain(text[:LONGEST])
        words = list(dict.fromkeys(wanted.split()))[:_WORDS]
        if not words:
            return []
        scores = {found: 1.0 for cui in exact if (found := number(cui)) is not None}
        rows: dict[int, None] = {}
        groups = {word: [word] if self._count(word) else self._alike(word) for word in words}
        enough = max(_FINALISTS, 2 * limit)
        for query in self._queries({word: group for word, group in groups.items() if group}):
            rows.update(dict.fromkeys(self._matches(query, enough)))
            if len(rows) >= limit:
                break
        self._score(rows, wanted, {word: group for word, group in groups.items() if word not in group}, scores)
        return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))

    def _queries(self, groups: dict[str, list[str]]) -> Iterable[str]:
        """From strict to loose: all words; the last one cut; the rarer half, the half of that ...; the next two."""
        said = {word: _any(group) for word, group in groups.items()}
        if not said:
            return
        yield " AND ".join(said.values())
        last = next(reversed(said))
        if len(last) >= _SHORTEST and last in groups[last] and (whole := self._completions(last)):
            yield " AND ".join({**said, last: _any([last, *whole])}.values())
        rare = sorted(said, key=lambda word: (sum(map(self._count, groups[word])), word))
        size = len(rare)
        while size > 1:
            size = (size + 1) // 2
            yield " AND ".join(said[word] for word in rare[:size])
        if len(rare) > 1:
            yield " AND ".join(said[word] for word in rare[1:3])

    def _matches(self, query: str, room: int) -> list[int]:
        rows = self._db.execute(
            "SELECT rowid FROM string WHERE string MATCH ? ORDER BY rowid LIMIT ?", (query, max(room, 1))
        )
        return [row for (row,) in rows]

    def _score(
        self, rows: Iterable[int], wanted: str, stands_for: dict[str, list[str]], scores: dict[int, float]
    ) -> None:
        words = wanted.split()
        strings: dict[int, list[str]] = {}
        for row in rows:
            concept, at = row >> _PLACE_BITS & ((1 << _CONCEPT_BITS) - 1), row & ((1 << _PLACE_BITS) - 1)
            if scores.get(concept) == 1.0:
                continue
            if concept not in strings:
                name, body = self._db.execute("SELECT name, body FROM concept WHERE id = ?", (concept,)).fetchone()
                aliases, lay = json.loads(body)[:2]
                strings[concept] = list(dict.fromkeys((name, *aliases, *lay)))
            score = likeness(wanted, words, plain(strings[concept][at]), stands_for)
            scores[concept] = max(score, scores.get(concept, 0.0))

    def _count(self, word: str) -> int:
        row = self._db.execute("SELECT strings FROM word WHERE text = ?", (word,)).fetchone()
        return 0 if row is None else int(row[0])

    def _completions(self, word: str) -> list[str]:
        """The commonest words that begin with this one."""
        rows = self._db.execute(
            "SELECT text, strings FROM word WHERE text > ? AND text < ? LIMIT ?",
            (word, word + "\U0010ffff", _COMPLETED),
        )
        return [text for text, _ in sorted(rows, key=lambda row: (-row[1], row[0]))[:_NEAR]]

    def _alike(self, word: str) -> list[str]:
        """Words that the catalog has and this one may stand for: a letter off, else cut short.

        A word with one slip has its first or its second half right, so those that share a half are looked at.
        """
        if len(word) < _SHORTEST:
            return []
        half = len(word) // 2
        near = {one for one in self._sharing("word", word[:half], len(word)) if near_word(word, one)}
        back = word[::-1]
        near |= {
            one[::-1] for one in self._sharing("drow", back[: len(word) - half - 1], len(word)) if near_word(back, one)
        }
        ranked = sorted(near, key=lambda one: (one[0] != word[0], -self._count(one), one))
        return ranked[:_NEAR] or self._completions(word)

    def _sharing(self, table: str, head: str, size: int) -> list[str]:
        if not head:
            return []
        query = f"SELECT text FROM {table} WHERE text >= ? AND text < ? AND length(text) BETWEEN ? AND ? LIMIT ?"  # noqa: S608
        rows = self._db.execute(query, (head, head + "\U0010ffff", size - 1, size + 1, _SCANNED))
        return [text for (text,) in rows]


def _any(words: list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"({' OR '.join(quoted)})"
