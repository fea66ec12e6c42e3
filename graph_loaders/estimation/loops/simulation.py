"""Histories drawn from the rates."""

from __future__ import annotations

import math

import numpy as np

from graph_loaders.estimation.loops.rates import HIGHEST, LOWEST
from ontology.compiled import compiled

__all__ = ["run"]


@compiled
def run(theta, needs, death, start, end, fixed, begun, seed, out):
    """Age at each event for each person, by the next-event method, rates constant within whole years."""
    events = theta.shape[0]
    fixed_count = fixed.shape[1]
    eta, rate = np.empty(events), np.empty(events)
    np.random.seed(seed)
    for person in range(start.shape[0]):
        for j in range(events):
            out[person, j] = -math.inf if begun[person, j] else math.inf
            eta[j] = theta[j, 0]
            for k in range(fixed_count):
                eta[j] += theta[j, 2 + k] * fixed[person, k]
            for v in range(events):
                if begun[person, v]:
                    eta[j] += theta[j, 2 + fixed_count + v]
        at = start[person]
        while at < end[person]:
            year = math.floor(at)
            until = min(end[person], year + 1.0)
            total = 0.0
            for j in range(events):
                ready = out[person, j] == math.inf
                if ready:
                    for v in range(events):
                        if needs[j, v] and out[person, v] == math.inf:
                            ready = False
                            break
                rate[j] = 0.0
                if ready:
                    rate[j] = math.exp(min(max(eta[j] + theta[j, 1] * (year + 0.5 - 80.0) / 10.0, LOWEST), HIGHEST))
                total += rate[j]
            wait = -math.log(1.0 - np.random.random()) / total if total > 0.0 else math.inf
            if at + wait >= until:
                at = until
                continue
            at += wait
            u = np.random.random() * total
            event = -1
            for j in range(events):
                if rate[j] > 0.0:
                    event = j
                    u -= rate[j]
                    if u < 0.0:
                        break
            out[person, event] = at
            if event == death:
                break
            for j in range(events):
                eta[j] += theta[j, 2 + fixed_count + event]
    return 0
