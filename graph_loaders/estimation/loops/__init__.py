"""The inner loops of estimation as machine code. The only modules of estimation that need numba.

Compiled at their first use and kept in numba's cache, by the source of their own module: after a change in one that another calls
(`rates`, `subsets`, `orders`), delete `__pycache__` beside it.
"""
