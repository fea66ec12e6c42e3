"""Expectations of what is not seen, row by row: sums over subsets, samples of orders where there are too many."""

from __future__ import annotations

import numpy as np

from graph_loaders.estimation.kinds import EXACT, PANEL
from graph_loaders.estimation.loops.orders import drawn
from graph_loaders.estimation.loops.subsets import one_interval
from ontology.compiled import compiled

__all__ = ["MOST_NEW", "expect"]

MOST_NEW = 7
"""Onsets seen at one visit up to which their order is summed over exactly; above, sampled orders stand for it."""

_DRAWS = 48


@compiled
def expect(
    theta,
    needs,
    row_start,
    row_end,
    row_kind,
    row_fixed,
    row_state,
    death,
    dated,
    missing,
    seed,
    score,
    information,
    lost,
    log,
):
    """Every row: expectations of what is not seen, added to score, information and (if `missing`) lost."""
    events, width = theta.shape
    fixed_count = row_fixed.shape[1]
    history = np.ascontiguousarray(theta[:, 2 + fixed_count :].T)
    begun = np.zeros(events, np.bool_)
    free = np.zeros(events, np.bool_)
    fixed = np.empty(fixed_count)
    spot = np.empty(width, np.int64)
    value = np.empty(width)
    for row in range(row_start.shape[0]):
        count = 0
        for j in range(events):
            begun[j] = row_state[row, j] == 1
            count += row_state[row, j] == 2
        new = np.empty(count, np.int64)
        at = 0
        for j in range(events):
            if row_state[row, j] == 2:
                new[at] = j
                at += 1
        for j in range(events):  # an event seen without what it needs is let through in its interval
            free[j] = False
            if row_state[row, j] == 2:
                for v in range(events):
                    if needs[j, v] and row_state[row, v] == 0:
                        free[j] = True
        for k in range(fixed_count):
            fixed[k] = row_fixed[row, k]
        kind = row_kind[row]
        if dated and kind == PANEL:
            kind = EXACT
        several = kind == PANEL and count > 0
        crowded = (
            several and count > MOST_NEW
        )  # orders are sampled; its information is counted as if dated at the visit
        states = 1 << count if several and not crowded else 1
        occupied, expected = np.zeros((states, 3, events)), np.zeros((states, 2, events))
        log[row] = one_interval(
            theta,
            history,
            needs,
            row_start[row],
            row_end[row],
            EXACT if crowded else kind,
            fixed,
            row_state[row],
            death,
            occupied,
            expected,
            new,
            free,
            begun,
        )
        if crowded:
            draws = 4 * _DRAWS
            log[row], weight, scores = drawn(
                theta, history, needs, row_start[row], row_end[row], fixed, new, free, begun, draws, seed + row
            )
            for j in range(events):
                for c in range(draws):
                    for p in range(width):
                        score[j, p] += weight[c] * scores[c, j, p]
        for a in range(states):
            used = 0
            for k in range(fixed_count):
                if fixed[k] != 0.0:
                    spot[used], value[used] = 2 + k, fixed[k]
                    used += 1
            for v in range(events):
                if begun[v]:
                    spot[used], value[used] = 2 + fixed_count + v, 1.0
                    used += 1
            for i in range(count):
                if a >> i & 1:
                    spot[used], value[used] = 2 + fixed_count + new[i], 1.0
                    used += 1
            for j in range(events):
                w0, w1, w2 = occupied[a, 0, j], occupied[a, 1, j], occupied[a, 2, j]
                y0, y1 = expected[a, 0, j], expected[a, 1, j]
                if w0 == 0.0 and y0 == 0.0:
                    continue
                if not crowded:
                    score[j, 0] += y0 - w0
                    score[j, 1] += y1 - w1
                    for p in range(used):
                        score[j, spot[p]] += value[p] * (y0 - w0)
                information[j, 0, 0] += w0
                information[j, 1, 0] += w1
                information[j, 1, 1] += w2
                for p in range(used):
                    s = spot[p]
                    information[j, s, 0] += value[p] * w0
                    information[j, s, 1] += value[p] * w1
                    for q in range(p + 1):
                        information[j, s, spot[q]] += value[p] * value[q] * w0
        if several and missing > 0 and row % missing == 0:
            draws = _DRAWS
            _, weight, scores = drawn(
                theta, history, needs, row_start[row], row_end[row], fixed, new, free, begun, draws, seed + row
            )
            effective = 0.0
            for c in range(draws):
                effective += weight[c] * weight[c]
            grow = missing / max(1.0 - effective, 0.1)  # as n / (n - 1) for equal weights
            spot[0], spot[1] = 0, 1
            used = 2
            for k in range(fixed_count):
                if fixed[k] != 0.0:
                    spot[used] = 2 + k
                    used += 1
            for v in range(events):
                if row_state[row, v] != 0:
                    spot[used] = 2 + fixed_count + v
                    used += 1
            mean = np.empty(used)
            for j in range(events):
                mean[:] = 0.0
                for c in range(draws):
                    for p in range(used):
                        mean[p] += weight[c] * scores[c, j, spot[p]]
                for c in range(draws):
                    w = weight[c] * grow
                    if w < 1e-12:
                        continue
                    for p in range(used):
                        d = w * (scores[c, j, spot[p]] - mean[p])
                        for q in range(p + 1):
                            lost[j, spot[p], spot[q]] += d * (scores[c, j, spot[q]] - mean[q])
    return 0
