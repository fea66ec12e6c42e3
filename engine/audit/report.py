"""`AuditReport`: rows to tables, JSON and one page of HTML. Knows no figure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from math import isfinite
from typing import TYPE_CHECKING, Any

from engine.audit.coverage import Coverage
from engine.audit.plausibility import Plausibility
from engine.audit.presence import PresenceRow
from engine.html import table
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.audit.coverage import ConceptRow
    from engine.audit.published import Published

__all__ = ["AuditReport"]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The figures of an audit, ready to be shown."""

    coverage: Coverage
    presence: tuple[PresenceRow, ...] = ()
    plausibility: Plausibility | None = None

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What is wrong: errors and warnings. Information is shown and is no fault."""
        return tuple(issue for issue in self.coverage.issues if issue.severity is not Severity.INFORMATION)

    def as_data(self) -> dict[str, Any]:
        """Plain values for JSON."""
        figures = self.coverage
        return {
            "sentences": figures.sentences,
            "records": figures.records,
            "pack_concepts": figures.pack_concepts,
            "covered": figures.covered,
            "concepts": [{**asdict(row), "missing": row.missing} for row in figures.concepts],
            "strata": [asdict(row) for row in figures.strata],
            "others": [{"cui": cui, "name": name, "sentences": count} for cui, name, count in figures.others],
            "issues": [asdict(issue) for issue in figures.issues],
            "presence": [asdict(row) for row in self.presence],
            "fidelity": None if self.plausibility is None else self.plausibility.as_data(),
        }

    def tables(self) -> list[tuple[str, list[str], list[Sequence[Any]]]]:
        """(title, head, rows) for the terminal: written concepts, the missing ones by label, strata."""
        figures = self.coverage
        written = [row for row in figures.concepts if not row.missing]
        missing: dict[str, list[str]] = {}
        for row in figures.concepts:
            if row.missing:
                missing.setdefault(row.label, []).append(row.name)
        shown: list[tuple[str, list[str], list[Sequence[Any]]]] = [
            (
                f"{figures.covered} of {figures.pack_concepts} concepts are written in {figures.sentences} sentences",
                ["label", "concept", "CUI", "planned", "written", "share % (95 %)", "expected %"],
                [
                    (row.label, row.name, row.cui, row.planned, row.written, _share(row), f"{row.expected:.1%}")
                    for row in written
                ],
            ),
            (
                "missing, by label",
                ["label", "concepts"],
                [(label, ", ".join(names)) for label, names in missing.items()],
            ),
            (
                "by part",
                ["part", "value", "sentences", "concepts"],
                [(row.axis, row.value, row.sentences, row.concepts) for row in figures.strata],
            ),
            (
                "symptoms that come and go, in the persons these were drawn from",
                ["concept", "years after the diagnosis", "ever %", "present %"],
                [(row.name, f"{row.years:g}", f"{row.ever:.1%}", f"{row.present:.1%}") for row in self.presence],
            ),
        ]
        shown += [(title, head, rows) for title, _, head, rows in self._fidelity(checks_only=True)]
        return [part for part in shown if part[2]]

    def _fidelity(self, *, checks_only: bool) -> list[tuple[str, str, list[str], list[Sequence[Any]]]]:
        """(title, what it is, head, rows): the nine figures, published figures and orders."""
        found = self.plausibility
        if found is None:
            return []
        parts: list[tuple[str, str, list[str], list[Sequence[Any]]]] = []
        if found.nine is not None:
            parts.append(
                (
                    f"order and time: {found.nine.passed} of {len(found.nine.figures)} figures within the noise floor",
                    f"{found.nine.persons} persons of the data set beside {found.nine.halvings} samples of as many from the graph",
                    ["figure", "floor", "floor 95 %", "data set", "within"],
                    [
                        (f.name, f"{f.floor:.3f}", f"{f.floor_95:.3f}", f"{f.model:.3f}", "yes" if f.passed else "no")
                        for f in found.nine.figures
                    ],
                )
            )
        rows = [r for r in found.published if not (checks_only and r.used)]
        parts.append(
            (
                "published figures that do not drive the graph's model" if checks_only else "published figures",
                "The graph's model beside published tables; the rows that drive it are no test.",
                ["figure", "source", "published", "model", "error", "drives it"],
                [
                    (r.fact, r.source, _range(r), f"{r.model:g} {r.unit}", f"{r.error:+.1f}", "yes" if r.used else "no")
                    for r in rows
                ],
            )
        )
        parts.append(
            (
                "published orders",
                "Pairs of onsets that the published order ranks, and how many the model has in that order.",
                ["order", "use", "pairs", "in order", "tau"],
                [(o.series, o.use, o.pairs, o.in_order, f"{o.kendall_tau:g}") for o in found.orders],
            )
        )
        return [part for part in parts if part[3]]

    def to_html(self) -> str:
        """One page, no script, nothing from elsewhere; every value is escaped."""
        figures = self.coverage
        parts = [
            f"<h1>Audit: {figures.covered} of {figures.pack_concepts} concepts in {figures.sentences} sentences</h1>",
            "<h2>Issues</h2>",
            table(
                ["severity", "code", "where", "what"],
                [(i.severity, i.code, i.where, i.message) for i in figures.issues],
            )
            if figures.issues
            else "<p>Nothing is wrong.</p>",
        ]
        labels: dict[str, list[ConceptRow]] = {}
        for row in figures.concepts:
            labels.setdefault(row.label, []).append(row)
        top = max(
            [row.high for row in figures.concepts if not row.missing] + [row.expected for row in figures.concepts],
            default=1.0,
        )
        parts.append(
            "<h2>Concepts</h2><p>Bar: share of the data set with its 95 % interval; tick: share that the graph leads to expect.</p>"
        )
        for label, rows in sorted(labels.items()):
            parts.append(f"<h3>{escape(label)}: {sum(not row.missing for row in rows)} of {len(rows)}</h3>")
            parts.append(_bars(rows, top or 1.0))
        axes: dict[str, list[Sequence[object]]] = {}
        for part in figures.strata:
            axes.setdefault(part.axis, []).append((part.value, part.sentences, part.concepts))
        parts.append("<h2>Parts</h2><div class=parts>")
        parts += [
            f"<section><h3>{escape(axis)}</h3>{table(['value', 'sentences', 'concepts'], rows)}</section>"
            for axis, rows in axes.items()
        ]
        parts.append("</div>")
        if self.presence:
            rows_of = [(r.name, f"{r.years:g}", f"{r.ever:.1%}", f"{r.present:.1%}") for r in self.presence]
            parts += [
                "<h2>Ever and present</h2><p>Of the persons these were drawn from: who has ever had it, and who has it then.</p>",
                table(["concept", "years after the diagnosis", "ever", "present"], rows_of),
            ]
        for title, what, head, shown in self._fidelity(checks_only=False):
            parts += [f"<h2>{escape(title.capitalize())}</h2><p>{escape(what)}</p>", table(head, shown)]
        if self.plausibility is not None and self.plausibility.nine is None:
            parts.append(
                "<h2>Order and time</h2><p>Too few persons of this data set have two sentences or more: "
                "generate whole trajectories to compare them.</p>"
            )
        if figures.others:
            parts += ["<h2>Other concepts found</h2>", table(["CUI", "name", "sentences"], figures.others)]
        return _PAGE.format(style=_STYLE, body="\n".join(parts))


def _range(row: Published) -> str:
    if row.low == row.high:
        return f"{row.low:g}"
    low, high = (f"{x:g}" if isfinite(x) else "" for x in (row.low, row.high))
    return f"{low} to {high}".strip()


def _share(row: ConceptRow) -> str:
    return f"{row.share * 100:.1f} ({row.low * 100:.1f}-{row.high * 100:.1f})"


def _bars(rows: Sequence[ConceptRow], top: float) -> str:
    lines = []
    for row in rows:
        bar = ""
        if not row.missing:
            bar = (
                f"<i class=range style='left:{row.low / top:.2%};width:{(row.high - row.low) / top:.2%}'></i>"
                f"<i class=bar style='width:{row.share / top:.2%}'></i>"
            )
        tick = f"<i class=tick style='left:{row.expected / top:.2%}'></i>" if row.expected else ""
        kind = " class=missing" if row.missing else ""
        lines.append(
            f"<tr{kind}><td>{escape(row.name)}</td><td>{escape(row.cui)}</td><td>{row.planned}</td><td>{row.written}</td>"
            f"<td>{'missing' if row.missing else escape(_share(row))}</td><td>{row.expected:.1%}</td><td class=chart>{bar}{tick}</td></tr>"
        )
    head = "".join(
        f"<th>{name}</th>" for name in ("concept", "CUI", "planned", "written", "share % (95 %)", "expected", "")
    )
    return f"<table class=concepts><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c2430}
h1{font-size:1.5rem}h2{margin-top:2rem;border-bottom:1px solid #d5dbe3}h3{margin:1.2rem 0 .3rem;font-size:1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.15rem .8rem .15rem 0}
th{color:#5b6675;font-weight:500;font-size:.85rem}tbody tr:nth-child(odd){background:#f6f8fa}
.concepts{width:100%}.concepts td:first-child{width:16rem}.chart{position:relative;width:16rem;height:1.2rem}
.chart i{position:absolute;top:.35rem;height:.6rem}.bar{left:0;background:#2f6fb0}.range{background:#bcd5ee}
.chart .tick{top:.15rem;height:1rem;width:2px;background:#c4501b}.missing{color:#8a94a3}
.parts{display:flex;flex-wrap:wrap;gap:0 2.5rem}
"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>DualAlign audit</title><style>{style}</style></head><body>
{body}
</body></html>
"""
