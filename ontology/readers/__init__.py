"""Readers of vocabularies into concepts: one module a format, each with `read(path) -> Iterator[Concept]`."""
