"""`Index`: the strings of a catalog as arrays, built once, kept in a file and mapped into memory.

Two hash tables hold every string: by its words in order, for exact strings, and by its words in any order, for
reordered and misspelt ones. A word of the catalog, its other number and its other spelling are one word. A third table
leads from a word with one letter gone to the words that it may be a slip of (Mor and Fraenkel, CACM 1982).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ontology.linking.arrays import Arrays, open_arrays, save_arrays
from ontology.linking.fold import folded, spelt
from ontology.linking.kernels import COMMA, Tokens, kernels
from ontology.linking.words import BARRIERS, BRIDGES, FUNCTION_WORDS, classes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["ACRONYM", "ALIAS", "DERIVED", "Index", "Named"]

ACRONYM, ALIAS, DERIVED = 1, 2, 4
"""What a string is, as bits: counts in capitals only; not the preferred name; made of another by rule. `COMMA`: has one."""

_VERSION = 11
_LONGEST = 200  # characters: longer strings of a catalog are definitions, not names
_BRIDGE, _BARRIER = 1, 2  # roles of a word: may come and go within a string; grammar only
_CHUNK = 20_000  # strings made ready at once
_BEGINNINGS = 16  # bits of the Bloom filter for each beginning of a string


class Named(NamedTuple):
    """A string of a concept: the concept's place in the order of the catalog, and what the string is."""

    concept: int
    string: str
    kind: int


class Index:
    """Made by `build`, or opened from a file that `save` wrote. `arrays` by name; see `_filled` for what they hold."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.cuis = arrays["cuis"]
        a = arrays
        self.words = tuple(
            a[name]
            for name in (
                "word_keys", "word_values", "role", "gone_keys", "gone_values", "form_blob", "form_first", "form_number",
            )
        )  # fmt: skip
        self.common = (a["common_keys"], a["common_values"])
        self.bags = (a["bag_keys"], a["bag_values"], a["bag_first"], a["bag_strings"])
        self.texts = (a["text_blob"], a["text_first"], a["string_kind"])

    def __len__(self) -> int:
        """How many different strings there are."""
        return len(self.arrays["string_concept"])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    @classmethod
    def build(
        cls,
        cuis: Sequence[str],
        strings: Iterable[Named],
        common: Iterable[str] = (),
        coded: Collection[str] = (),
        meant: Mapping[str, int] | None = None,
    ) -> Index:
        """The index over `strings`, concept by concept, of `cuis`, which may grow while strings are read.

        Words in `common` are no misspellings of others; of concepts that share a string, those in `coded` come first, as far
        as `meant` (how often annotators meant a concept) does not say otherwise.

        About ten microseconds and 200 bytes a string.
        """
        made = _Builder()
        chunk: list[Named] = []
        for one in strings:
            if len(one.string) <= _LONGEST:
                chunk.append(one)
            if len(chunk) == _CHUNK:
                made.add(chunk)
                chunk = []
        made.add(chunk)
        return cls(made.arrays(list(cuis), common, coded, meant or {}))

    @classmethod
    def open(cls, path: Path) -> Index:
        """The index in a file. ValueError says what is damaged, OSError what cannot be read."""
        arrays, about = open_arrays(path)
        if about != {"linker": _VERSION}:
            raise ValueError(f"{path} is an index of another version ({about}); delete it and it is built anew")
        return cls(arrays)

    def save(self, path: Path) -> None:
        """Write the index into a file."""
        save_arrays(path, self.arrays, {"linker": _VERSION})

    @staticmethod
    def path(folder: Path, fingerprint: str) -> Path:
        """The file in `folder` for the catalog with this fingerprint."""
        return folder / f"linker{_VERSION}-{hashlib.sha256(fingerprint.encode()).hexdigest()[:24]}.arrays"

    def text(self, string: int) -> str:
        """The words of a string as they are compared: lower case; characters other than a-z and 0-9 as `?`."""
        blob, first, _ = self.texts
        return "".join(_SYMBOLS[symbol] for symbol in blob[first[string] : first[string + 1]].tolist())


_SYMBOLS = " abcdefghijklmnopqrstuvwxyz0123456789" + "?" * 27


class _Builder:
    def __init__(self) -> None:
        self._words: dict[int, str] = {}
        self._parts: list[tuple[np.ndarray[Any, Any], ...]] = []
        self._never = _table(_codes(sorted(FUNCTION_WORDS)))

    def add(self, chunk: list[Named]) -> None:
        if not chunk:
            return
        loops = kernels()
        numbers, starts = folded([one.string for one in chunk])
        tokens = Tokens(*loops.tokenise(numbers, starts))
        sizes = np.diff(starts)
        begin, stop, acronym = loops.trimmed(tokens, sizes, self._never)
        kept = np.flatnonzero(stop > begin)
        picked = _ranges(begin[kept], stop[kept])
        first = np.concatenate(([0], np.cumsum(stop[kept] - begin[kept])))
        start, end, code, flag = (np.ascontiguousarray(array[picked]) for array in tokens[:4])
        trimmed = Tokens(start, end, code, flag, first)
        for code, at in zip(*np.unique(trimmed.code, return_index=True), strict=True):
            if int(code) not in self._words:
                self._words[int(code)] = spelt(numbers[trimmed.start[at] : trimmed.end[at]])
        blob = np.empty(int(sizes.sum()) + len(picked) + 1, np.uint8)
        places = loops.texts(numbers, trimmed, blob)
        concept = np.fromiter((one.concept for one in chunk), np.uint32, len(chunk))[kept]
        kind = np.fromiter((one.kind for one in chunk), np.uint8, len(chunk))[kept] | acronym[kept] * np.uint8(ACRONYM)
        comma = np.bitwise_or.reduceat(trimmed.flag & COMMA, first[:-1]) if len(kept) else kind
        kind |= comma
        lengths = np.diff(first)
        self._parts.append(
            (trimmed.code, trimmed.flag, lengths, blob[: places[-1]].copy(), np.diff(places), concept, kind)
        )

    def arrays(
        self, cuis: list[str], common: Iterable[str], coded: Collection[str], meant: Mapping[str, int]
    ) -> Arrays:
        code, flag, lengths, blob, sizes, concept, kind = (
            (np.concatenate(part) if self._parts else np.zeros(0, kind))
            for part, kind in zip(
                list(zip(*self._parts, strict=True)) or [()] * 7,
                (np.uint64, np.uint8, np.int64, np.uint8, np.int64, np.uint32, np.uint8),
                strict=True,
            )
        )
        self._parts.clear()
        out = self._vocabulary()
        loops = kernels()
        first = np.concatenate(([0], np.cumsum(lengths)))
        number = loops.known(code, out["word_keys"], out["word_values"])
        bridge = (out["role"] == _BRIDGE).astype(np.uint8)
        ordered, written, bag, _ = loops.signed(number, flag, code, first, bridge)
        order = np.lexsort((kind, written, concept, ordered))
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(ordered[order]) != 0) | (np.diff(concept[order]) != 0) | (np.diff(written[order]) != 0)
        given = (kind[order] & DERIVED == 0).astype(np.int64)
        sources = np.add.reduceat(given, np.flatnonzero(new)) if len(order) else given
        order = order[new]
        out["text_blob"], out["text_first"] = loops.gathered(blob, np.concatenate(([0], np.cumsum(sizes))), order)
        out["bits"] = np.zeros(max(8, _power(_BEGINNINGS * len(code)) // 8), np.uint8)
        loops.begun(number, flag, first, out["bits"])
        ordered, out["string_raw"], bag = ordered[order], written[order], bag[order]
        out["string_concept"], out["string_kind"] = concept[order], kind[order]
        starts = np.flatnonzero(np.concatenate(([True], np.diff(ordered) != 0))) if len(order) else np.zeros(0, int)
        out["entry_first"] = np.concatenate((starts, [len(order)])).astype(np.int32)
        out["entry_acronym"] = np.minimum.reduceat(out["string_kind"] & ACRONYM, starts) if len(starts) else kind
        out["string_keys"], out["string_values"] = _table(ordered[starts])
        _bags(out, bag)
        found = loops.frequencies(out["text_blob"], out["text_first"])
        out["idf"] = (np.log((1 + len(order)) / (1 + found)) + 1).astype(np.float32)
        by_concept = np.argsort(out["string_concept"], kind="stable")
        out["string_rank"] = loops.priors(
            out["entry_first"],
            out["string_concept"],
            sources,
            np.fromiter((cui in coded for cui in cuis), bool, len(cuis)),
            out["text_blob"],
            out["text_first"],
            by_concept,
            np.searchsorted(out["string_concept"][by_concept], np.arange(len(cuis) + 1)),
            out["idf"],
        )
        out["cuis"] = np.array(cuis, "S") if cuis else np.zeros(0, "S8")
        out["cui_order"] = np.empty(len(cuis), np.uint32)
        out["cui_order"][np.argsort(out["cuis"], kind="stable")] = np.arange(len(cuis), dtype=np.uint32)
        out["meant"] = np.fromiter((meant.get(cui, 0) for cui in cuis), np.uint32, len(cuis))
        _kin(out)
        out["common_keys"], out["common_values"] = _table(_codes(sorted({*common, *FUNCTION_WORDS})))
        return out

    def _vocabulary(self) -> Arrays:
        loops = kernels()
        grammar = sorted(BRIDGES | BARRIERS)
        forms, numbers, own = [], [], []
        for word, number, known in classes([*grammar, *sorted(self._words.values())]):
            forms.append(word)
            numbers.append(number)
            own.append(known)
        number_of = dict(zip(forms, numbers, strict=True))
        role = np.zeros(max(numbers) + 1, np.uint8)
        for word in sorted(BARRIERS):
            role[number_of[word]] = _BARRIER
        for word in sorted(BRIDGES):
            role[number_of[word]] = _BRIDGE
        keys, values = _table(_codes(forms), np.array(numbers, np.int32))
        text, starts = folded(forms)
        tokens = Tokens(*loops.tokenise(text, starts))
        blob = np.empty(len(text) + len(forms) + 1, np.uint8)
        first = loops.texts(text, tokens, blob)
        plain = np.fromiter((word.isalpha() for word in forms), bool, len(forms)) & (role[numbers] != _BARRIER)
        order = np.flatnonzero(plain)
        form_blob, form_first = loops.gathered(blob, first, order)
        room = _power(2 * (int(np.diff(form_first).sum()) + len(order)) + 8)
        gone_keys, gone_values = np.zeros(room, np.uint32), np.zeros(room, np.int32)
        loops.unlettered(form_blob, form_first, gone_keys, gone_values)
        return {
            "word_keys": keys,
            "word_values": values,
            "role": role,
            "gone_keys": gone_keys,
            "gone_values": gone_values,
            "form_blob": form_blob,
            "form_first": form_first,
            "form_number": np.array(numbers, np.int32)[order],
        }


def _bags(out: Arrays, bag: np.ndarray[Any, Any]) -> None:
    """Strings by the hash of their words in any order; acronyms and strings without words of content left out."""
    wanted = np.flatnonzero((bag != 0) & (out["string_kind"] & ACRONYM == 0))
    order = wanted[np.argsort(bag[wanted], kind="stable")]
    keys = bag[order]
    starts = np.flatnonzero(np.concatenate(([True], np.diff(keys) != 0))) if len(keys) else np.zeros(0, int)
    out["bag_strings"] = order.astype(np.int32)
    out["bag_first"] = np.concatenate((starts, [len(keys)])).astype(np.int32)
    out["bag_keys"], out["bag_values"] = _table(keys[starts])


def _kin(out: Arrays) -> None:
    """For each concept those that annotators meant and whose name is one of its strings: "Depression" has the synonym
    "depressive disorder", which another vocabulary names a concept of its own.
    """
    one, other = kernels().namesakes(out["entry_first"], out["string_concept"], out["string_kind"], out["meant"])
    pairs = np.unique(one.astype(np.int64) << 32 | other)
    out["kin"] = (pairs & 0xFFFFFFFF).astype(np.uint32)
    out["kin_first"] = np.searchsorted(pairs >> 32, np.arange(len(out["cuis"]) + 1)).astype(np.int32)


def _codes(words: list[str]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The hash of each word, which must be one token."""
    tokens = Tokens(*kernels().tokenise(*folded(words)))
    if not words:
        return np.zeros(0, np.uint64)
    found: np.ndarray[Any, np.dtype[np.uint64]] = tokens.code[tokens.first[:-1]]
    return found


def _table(
    keys: np.ndarray[Any, Any], values: np.ndarray[Any, Any] | None = None
) -> tuple[np.ndarray[Any, np.dtype[np.uint64]], np.ndarray[Any, np.dtype[np.int32]]]:
    """A hash table with open addressing, a little more than half full."""
    room = _power(len(keys) * 3 // 2 + 4)
    table, found = np.zeros(room, np.uint64), np.zeros(room, np.int32)
    numbers = np.arange(len(keys), dtype=np.int32) if values is None else values
    kernels().fill(table, found, np.ascontiguousarray(keys), numbers)
    return table, found


def _power(size: int) -> int:
    return 1 << max(3, (size - 1).bit_length())


def _ranges(begin: np.ndarray[Any, Any], stop: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The numbers of all ranges, one after the other."""
    sizes = stop - begin
    total = int(sizes.sum())
    return (
        np.arange(total) + np.repeat(begin - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes)
        if total
        else np.zeros(0, np.int64)
    )
