"""ormen: a container orchestrator on Celery and Redis.

What the manager (``manager_api``) and the agents (``worker_agent``) share: words, specs, the store, the
scheduler and the command line. The two sides never import each other.
"""

__version__ = "0.1.0"
