# /// script
# requires-python = ">=3.11"
# dependencies = ["bespokelabs-curator==0.1.31"]
# ///
"""Prompts through Bespoke Labs' Curator: `ENV/bin/python curator.py URL COUNT AT_ONCE`, in an empty folder.

Prints the sentences it got, seconds and CPU seconds of the calls after a warm-up call, as one line of JSON.
"""

import os
import sys
from pathlib import Path

from cost import cost

UNBOUNDED = 10**9  # its limits a minute spare a provider's quota; here there is none


def main():
    url, count, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.environ |= {"TELEMETRY_ENABLED": "false", "CURATOR_DISABLE_CACHE": "1", "CURATOR_DISABLE_RICH_DISPLAY": "1"}
    os.environ |= {"CURATOR_CACHE_DIR": str(Path.cwd()), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    import litellm

    known = Path(litellm.__file__).parent / "litellm_core_utils/tokenizers"  # the vocabulary that it would download
    os.environ["TIKTOKEN_CACHE_DIR"] = str(known)
    from bespokelabs import curator

    class Sentence(curator.LLM):
        def prompt(self, row):
            return row["prompt"]

        def parse(self, row, response):
            return {**row, "sentence": response}

    limits = {"max_requests_per_minute": UNBOUNDED, "max_tokens_per_minute": UNBOUNDED}
    where = {"base_url": url, "api_key": "none", "max_concurrent_requests": at_once, **limits}
    model = Sentence("m", backend="openai", backend_params=where, generation_params={"max_tokens": 120})

    def write(prompts):
        return [row["sentence"] for row in model([{"prompt": prompt} for prompt in prompts]).dataset]

    cost(write, count)


if __name__ == "__main__":
    main()
