"""Writers of records: one module a format, each with `write(records, path)`."""
