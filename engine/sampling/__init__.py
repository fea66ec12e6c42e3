"""Who, then what and when: criteria, personas, the progression model and its sampler."""
