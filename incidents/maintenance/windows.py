"""Which instants a maintenance window covers: a function of its definition and a time."""
