"""The Celery application that Flower looks through: ``celery -A ormen.local.flower_app flower``."""

from ormen.broker import make_app
from ormen.settings import Settings

app = make_app(Settings.from_env(), "flower")
# Flower asks for a connection for each worker and page at once; the four of a process of ours are too few for it.
app.conf.broker_pool_limit = 32
