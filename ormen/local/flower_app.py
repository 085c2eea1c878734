"""The Celery application that Flower looks through: ``celery -A ormen.local.flower_app flower``."""

from ormen.broker import make_app
from ormen.settings import Settings

app = make_app(Settings.from_env(), "flower")
