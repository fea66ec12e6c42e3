"""SIGKILL in the middle of `generate`, at random times: are the files those of an undisturbed run?

python benchmarks/kill.py [KILLS] [SENTENCES]      last line: JSON
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = ("records.jsonl", "rejected.jsonl", "manifest.json", "README.md", "recipe.toml")


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def main(kills: int, sentences: int) -> None:
    chance = random.Random(1)  # noqa: S311 - times of kills, the same each run
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        command = [sys.executable, "-m", "engine.cli", "generate", "-n", str(sentences), "--seed", "3", "--out"]
        started = time.perf_counter()
        subprocess.run([*command, str(home / "whole")], check=True, capture_output=True)
        whole = time.perf_counter() - started
        writing = whole / 4  # the rest is opening
        print(f"undisturbed: {sentences} sentences in {whole:.1f} s")
        done, runs = 0, 0
        while done < kills:
            runs += 1
            target = home / f"run{runs}"
            while done < kills:
                process = subprocess.Popen(
                    [*command, str(target)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                records = target / "records.jsonl"
                begun = lines(records)
                while process.poll() is None and lines(records) <= begun:
                    time.sleep(0.005)
                time.sleep(chance.uniform(0, writing))
                if process.poll() is not None:
                    break
                process.send_signal(signal.SIGKILL)
                process.wait()
                done += 1
                print(f"kill {done}: {lines(records)} records on disk")
            subprocess.run([*command, str(target)], check=True, capture_output=True)
            for name in FILES:
                if (target / name).read_bytes() != (home / "whole" / name).read_bytes():
                    sys.exit(f"{name} differs after {done} kills")
    figures = {"kills_while_writing": done, "runs": runs, "different_files": 0}
    print(json.dumps({**figures, "seconds_undisturbed": round(whole, 1)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
