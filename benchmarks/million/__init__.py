"""A store with a million ended tasks: how long the API takes to answer, and what stalls Redis meanwhile."""
