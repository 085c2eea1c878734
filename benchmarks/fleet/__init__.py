"""Thousands of nodes in a few processes, against a real control plane: Redis, API, loops and Celery's queues."""
