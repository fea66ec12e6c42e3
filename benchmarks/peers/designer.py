# /// script
# requires-python = ">=3.11"
# dependencies = ["data-designer==0.9.7"]
# ///
"""Prompts through NVIDIA's Data Designer: `ENV/bin/python designer.py URL COUNT AT_ONCE`, in an empty folder.

Prints the sentences it got, seconds and CPU seconds of the calls after a warm-up call, as one line of JSON.
"""

import os
import sys
from pathlib import Path

from cost import cost


def main():
    url, count, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.environ |= {"NEMO_TELEMETRY_ENABLED": "false", "DATA_DESIGNER_HOME": str(Path.cwd() / "home")}
    import data_designer.config as dd
    import pandas as pd
    from data_designer.interface import DataDesigner

    server = dd.ModelProvider(name="server", endpoint=url, provider_type="openai", api_key="none")
    asked = dd.ChatCompletionInferenceParams(max_parallel_requests=at_once, max_tokens=120)
    model = dd.ModelConfig(alias="m", model="m", provider="server", inference_parameters=asked, skip_health_check=True)
    designer = DataDesigner(Path.cwd() / "made", model_providers=[server])
    designer.set_run_config(dd.RunConfig(otel_metrics_port=None))

    def write(prompts):
        steps = dd.DataDesignerConfigBuilder(model_configs=[model])
        steps.with_seed_dataset(dd.DataFrameSeedSource(df=pd.DataFrame({"prompt": prompts})))
        steps.add_column(dd.LLMTextColumnConfig(name="sentence", model_alias="m", prompt="{{ prompt }}"))
        return list(designer.create(steps, num_records=len(prompts)).load_dataset()["sentence"])

    cost(write, count)


if __name__ == "__main__":
    main()
