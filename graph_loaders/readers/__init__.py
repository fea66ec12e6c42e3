"""Readers of clinical data: one module a format, each with `read(path, ...)` that yields patients and events."""
