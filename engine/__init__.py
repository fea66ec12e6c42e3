"""DualAlign: grounded synthetic clinical sentences from a knowledge graph of symptom trajectories."""
