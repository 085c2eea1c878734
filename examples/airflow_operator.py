"""An Airflow operator that runs an image to its end on the cluster: a sketch to copy into a ``plugins`` folder.

The id is made of the DAG run and the try, so a scheduler that sends the same try twice starts one container. The log is
printed while it runs. ``on_kill`` (a task that is cleared or times out) stops the container.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ormen import Client, TaskHandle

if TYPE_CHECKING:

    class BaseOperator:
        """What this sketch uses of Airflow's class."""

        def __init__(self, *, task_id: str, **kwargs: Any) -> None: ...

else:
    try:
        from airflow.sdk import BaseOperator
    except ImportError:  # Airflow is not there: the sketch still runs, as its test does

        class BaseOperator:
            """Stands in for Airflow's class."""

            def __init__(self, *, task_id: str, **kwargs: Any) -> None:
                self.task_id = task_id


class OrmenOperator(BaseOperator):
    """Run `image` with the spec's other fields, and return its last line (an XCom)."""

    template_fields = ("image", "spec")

    def __init__(
        self, *, image: str, spec: Mapping[str, Any] | None = None, manager: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.image, self.spec, self.manager = image, dict(spec or {}), manager
        self._task: TaskHandle | None = None

    def execute(self, context: Mapping[str, Any]) -> str:
        """Run it to its end; raise TaskFailed with the reason if it fails."""
        instance = context["ti"]
        once = f"{instance.dag_id}/{instance.run_id}/{instance.task_id}/{instance.map_index}/{instance.try_number}"
        deck = Client(self.manager, patience=120)
        spec = {"restart": "no", **self.spec, "image": self.image, "id": str(uuid.uuid5(uuid.NAMESPACE_URL, once))}
        (self._task,) = deck.run_all([spec])
        last = ""
        self._task.wait(timeout=3600)
        for last in self._task.logs(follow=True):
            print(last)
        self._task.wait("completed", timeout=60)
        return last

    def on_kill(self) -> None:
        """Stop the container when Airflow kills the task."""
        if self._task is not None:
            self._task.stop(wait_s=30)
