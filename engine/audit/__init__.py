"""Audits of a data set: one module a family of figures, and a report that renders rows."""
