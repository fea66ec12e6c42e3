"""Held-out scores and fidelity of the fit on a table of visits, by the product's own code.

    python benchmarks/paquid.py PATH [--mapping FILE] [--seed 0] [--halvings 20] [--out CSV]

The protocol: persons with two visits or more, five folds by person (seed 0); P is the log probability of the set of onsets
newly seen at a visit, T that of which event came, given when. Fidelity: 20 halvings, half A fits, half B is simulated from
its entry states at its own visits. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import time
from pathlib import Path

from engine.audit.fidelity import fidelity
from graph_loaders.estimate import Estimator
from graph_loaders.estimation.panel import Panel, fixed_features, needs_matrix
from graph_loaders.estimation.scores import CHAIN, FITTED, GOMPERTZ, cross_validate, interval_subsets
from graph_loaders.estimation.simulate import resample
from graph_loaders.onset import Tally, trajectories
from graph_loaders.readers import table
from ontology.pack import load_pack

MAPPING = Path(__file__).resolve().parents[1] / "tests" / "scenarios" / "paquid" / "mapping.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--mapping", type=Path, default=MAPPING)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--halvings", type=int, default=20)
    parser.add_argument("--out", type=Path, help="CSV: fold, person, interval, log_p")
    asked = parser.parse_args()
    begun = time.process_time()
    pack = load_pack()
    mapping = table.read_mapping(asked.mapping, pack)
    names: list[str] = []

    def read():
        for patient, events in table.read(asked.path, mapping, Tally()):
            if len(patient.visits) > 1:
                names.append(patient.id)
                yield patient, events

    people = list(trajectories(read(), Tally()))
    events = [rule.cui for rule in mapping.events]
    panel = Panel.of(people, events, fixed_features(pack), death=True)
    needs = needs_matrix(panel.events, mapping.requires)
    print(f"{panel.persons} persons with two visits or more, {panel.intervals} intervals, {len(events)} events")
    found = cross_validate(panel, needs, folds=asked.folds, seed=asked.seed, progress=print)
    print(f"{'model':42}{'P a person (SE)':>20}{'fitted minus it (SE)':>24}{'T':>9}")
    for name in found.panel:
        (mean, se), (gain, gain_se) = found.mean(name), found.above(FITTED, name)
        t = f"{found.next_event[name].mean():9.3f}" if name in found.next_event else ""
        print(f"{name:42}{mean:12.3f} ({se:.3f}){gain:16.3f} ({gain_se:.3f}){t}")
    if asked.out:
        with asked.out.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["fold", "person", "interval", "log_p"])
            for i in found.intervals:
                rows.writerow([i.fold, names[i.person], i.interval, f"{i.log_p[FITTED]:.6f}"])

    def imitate(half, other, seed):
        with Estimator(pack, events, mapping.requires) as estimator:
            for person in half:
                estimator.add(person)
            return resample(estimator.fit(), other, seed)

    figures = fidelity(people, events, imitate, halvings=asked.halvings)
    for f in figures.figures:
        mark = "pass" if f.passed else "FAIL"
        print(f"{f.name:16} floor {f.floor:.3f}, 95th {f.floor_95:.3f}, model {f.model:.3f} {mark}")
    whole = Estimator(pack, events, mapping.requires)
    for person in people:
        whole.add(person)
    fit = whole.fit()
    rows = panel.rows()
    step = max(len(rows) // 100, 1)
    off = max(abs(sum(interval_subsets(fit, row, panel.death).values()) - 1) for row in rows[::step][:100])
    print(f"100 intervals: the probabilities of all subsets sum to 1 within {off:.1e}")
    summary = {
        "P": round(found.mean(FITTED)[0], 4),
        "T": round(float(found.next_event[FITTED].mean()), 4),
        "P_minus_gompertz": round(found.above(FITTED, GOMPERTZ)[0], 4),
        "P_minus_chain": round(found.above(FITTED, CHAIN)[0], 4),
        "fidelity_passed": figures.passed,
        "subset_sum_error": off,
        "persons": panel.persons,
        "intervals": panel.intervals,
        "cpu_s": round(time.process_time() - begun, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
