"""Clinical data and published facts in, a knowledge graph of symptom trajectories out."""
