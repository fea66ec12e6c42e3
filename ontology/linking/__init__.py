"""The parts of the linker: words, the index over a catalog's strings, its two tiers, abbreviations and ranking.

`ontology.linker` puts them together and is what others import.
"""
