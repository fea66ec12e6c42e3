"""What a peer's calls cost, measured in its own process."""

import json
import resource
import time


def cpu():
    """Seconds of processor time of this process and of its children that have ended."""
    own, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def cost(write, count):
    """Prints what `write(prompts)` costs for `count` prompts: sentences got, seconds, CPU seconds. It is called once before."""
    write(["warm"])
    prompts = [f"p{i}" for i in range(count)]
    begun, used = time.perf_counter(), cpu()
    got = sum(isinstance(sentence, str) and bool(sentence) for sentence in write(prompts))
    print(json.dumps({"n": got, "seconds": time.perf_counter() - begun, "cpu_seconds": cpu() - used}), flush=True)
