"""The loops that Celery beat ticks: full scans, safe to lose, to repeat or to run twice."""
