"""From plan to sentence: prompts, chat models, the local model, templates and the answer cache."""
