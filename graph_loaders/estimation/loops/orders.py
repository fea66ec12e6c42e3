"""Orders and times between two visits by importance sampling."""

from __future__ import annotations

import math

import numpy as np

from graph_loaders.estimation.loops.rates import HIGHEST, LOWEST, cut_years, fill_linear, may_begin
from ontology.compiled import compiled

__all__ = ["drawn"]


@compiled
def drawn(theta, history, needs, start, end, fixed, new, free, begun, draws, seed):
    """`draws` complete histories of one interval by importance sampling: the log of the mean weight, weights that add up to one, and
    the complete score[c, j, p] of each.

    Times are uniform, orders random among those that `needs` allow.
    """
    events, width = theta.shape
    score = np.empty((draws, events, width))
    fixed_count = fixed.shape[0]
    count = new.shape[0]
    longest = int(end - start) + 3
    years, ages = np.empty(longest), np.empty(longest)
    pieces = cut_years(start, end, years, ages)
    base = np.empty(events)
    fill_linear(theta, fixed, begun, base)
    log_weight = np.empty(draws)
    np.random.seed(seed)
    have = np.zeros(events, np.bool_)
    eta = np.empty(events)
    left = np.empty(count, np.int64)
    for c in range(draws):
        times = np.sort(np.random.random(count)) * (end - start) + start
        for j in range(events):
            have[j] = begun[j]
            eta[j] = base[j]
        for i in range(count):
            left[i] = new[i]
        score[c] = 0.0
        log = 0.0
        at = start
        for i in range(count + 1):
            to = times[i] if i < count else end
            # time from `at` to `to` in this state
            for j in range(events):
                if have[j] or not may_begin(j, have, needs, free):
                    continue
                edge = start
                w0, w1 = 0.0, 0.0
                for u in range(pieces):
                    low, high = max(at, edge), min(to, edge + years[u])
                    edge += years[u]
                    if high > low:
                        r = math.exp(min(max(eta[j] + theta[j, 1] * ages[u], LOWEST), HIGHEST)) * (high - low)
                        w0 += r
                        w1 += r * ages[u]
                log -= w0
                score[c, j, 0] -= w0
                score[c, j, 1] -= w1
                for k in range(fixed_count):
                    if fixed[k]:
                        score[c, j, 2 + k] -= w0 * fixed[k]
                for v in range(events):
                    if have[v]:
                        score[c, j, 2 + fixed_count + v] -= w0
            if i == count:
                break
            # which one begins: any that may, all alike
            can = 0
            for q in range(count - i):
                j = left[q]
                if may_begin(j, have, needs, free):
                    left[q], left[can] = left[can], left[q]
                    can += 1
            if can == 0:
                log = -math.inf
                break
            pick = int(np.random.random() * can)
            j = left[pick]
            left[pick] = left[count - i - 1]
            log += math.log(can)
            edge = start
            age = ages[pieces - 1]
            for u in range(pieces):
                if to <= edge + years[u]:
                    age = ages[u]
                    break
                edge += years[u]
            log += min(max(eta[j] + theta[j, 1] * age, LOWEST), HIGHEST)
            score[c, j, 0] += 1.0
            score[c, j, 1] += age
            for k in range(fixed_count):
                if fixed[k]:
                    score[c, j, 2 + k] += fixed[k]
            for v in range(events):
                if have[v]:
                    score[c, j, 2 + fixed_count + v] += 1.0
            have[j] = True
            for o in range(events):
                eta[o] += history[j, o]
            at = to
        log_weight[c] = log
    top = log_weight.max()
    weight = np.exp(log_weight - top)
    mean = weight.mean()
    fall = 0.0
    for i in range(1, count + 1):
        fall += math.log((end - start) / i)
    return top + math.log(mean) + fall, weight / weight.sum(), score
