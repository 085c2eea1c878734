"""Where tasks go, and why not: pure functions over values, without Redis, Celery, HTTP or Docker."""
