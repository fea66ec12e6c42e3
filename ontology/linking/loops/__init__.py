"""The inner loops of the linker as machine code. The only modules of `ontology` that need numba.

Compiled at their first use and kept in numba's cache beside these files or, where that folder is not writable, in the
user's cache folder. Loaded by `ontology.linking.kernels` when they are first called.
"""
