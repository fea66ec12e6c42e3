"""The run folder's README.md: a Hugging Face data set card, so that `load_dataset(folder)` opens the run as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.runs.recipe import Recipe

__all__ = ["card"]

_STRINGS = "id text label cui name assertion informant"
_AFTER = (
    ("trajectory_id", "string"),
    ("step", "int64"),
    ("of", "int64"),
    ("age", "float64"),
    ("stage", "string"),
    ("gap_days", "int64"),
)
_SPAN = (
    ("start", "int64"),
    ("end", "int64"),
    ("text", "string"),
    ("label", "string"),
    ("cui", "string"),
    ("name", "string"),
    ("assertion", "string"),
    ("score", "float64"),
    ("planned", "bool"),
)
_LAST = (
    ("guidance", "string"),
    ("run", "string"),
    ("slot", "int64"),
    ("round", "int64"),
    ("attempts", "int64"),
    ("model", "string"),
    ("prompt", "string"),
    ("schema", "int64"),
)


def _features() -> list[str]:
    lines = [f"  - name: {name}\n    dtype: string" for name in _STRINGS.split()]
    lines.append("  - name: spans\n    list:")
    lines += [f"    - name: {name}\n      dtype: {dtype}" for name, dtype in _SPAN]
    lines += [f"  - name: {name}\n    dtype: {dtype}" for name, dtype in _AFTER]
    lines += [f"  - name: {name}\n    list: string" for name in ("traits", "risk_factors")]
    lines += [f"  - name: {name}\n    dtype: {dtype}" for name, dtype in _LAST]
    return lines


def _header(count: int) -> list[str]:
    size = next(name for limit, name in _SIZES if count < limit)
    return [
        "---",
        "language: [en]",
        "task_categories: [text-classification, token-classification]",
        f"size_categories: [{size}]",
        "tags: [synthetic, clinical]",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path: records.jsonl",
        "dataset_info:",
        "  features:",
        *_features(),
        "---",
    ]


def plain_card(count: int) -> str:
    """The card of records that were exported without their run."""
    lines = ["# Synthetic clinical sentences", "", f"{count} records made by DualAlign. Not for clinical use.", ""]
    return "\n".join([*_header(count), *lines])


def card(recipe: Recipe, counts: dict[str, Any], labels: tuple[str, ...], title: str) -> str:
    """Markdown with the YAML header that `datasets` reads. Depends on the recipe and the counts alone."""
    quotas = [f"| {key} | {met} | {asked} |" for key, (met, asked) in counts["by_quota"].items()]
    quotas = quotas or [f"| {label} | {counts['by_label'].get(label, 0)} | |" for label in labels]
    by_code = "\n".join(f"| {code} | {count} |" for code, count in counts["by_code"].items()) or "| none | 0 |"
    return "\n".join(
        [
            *_header(counts["accepted"]),
            f"# {title}: synthetic clinical sentences, run {recipe.run_id}",
            "",
            f"Every sentence is synthetic: planned from facts and aggregates, written by `{recipe.model}`, and kept only where",
            "entity linking found the planned concept with the planned assertion and informant. Not for clinical use.",
            "",
            f"Records: {counts['accepted']} of {counts['requested']} texts that were asked for; {counts['rejected']} were refused",
            f"(acceptance {counts['acceptance']:.3f}), with their reasons in `rejected.jsonl`; {counts['dead_lettered']} the model failed",
            f"for good (`dead.jsonl`). Sentences given up: {counts['lost']}.",
            "",
            "| quota | records | asked for |",
            "|---|---|---|",
            *quotas,
            "",
            "| refused for | texts |",
            "|---|---|",
            by_code,
            "",
            "Split by `trajectory_id` to keep one synthetic person on one side. `recipe.toml` makes the same run again.",
            "",
        ]
    )


_SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**12, "n>1M"))
