"""The other end of a webhook: one that keeps its connection busy for ever, and the one that the page shows."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from manager_api import delivering
from manager_api.delivering import deliver, post
from ormen.webhooks import Webhook, new_secret
from tests.waiting import wait_until

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"


@contextmanager
def dribbler() -> Iterator[str]:
    """The URL of a receiver that sends a byte now and then, for ten seconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = (
            "import socket,sys,time\n"
            f"s=socket.socket(fileno={server.fileno()}); c,_=s.accept()\n"
            "for _ in range(100): c.send(b'HTTP/1.1 200 OK'[:1]); time.sleep(0.1)"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script], pass_fds=[server.fileno()], stderr=subprocess.DEVNULL
        )
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            process.kill()
            process.wait()


def test_a_receiver_that_dribbles_is_cut_off() -> None:
    """One that sends a byte now and then, or a body without end, costs no more than the patience."""
    with dribbler() as url:
        began = time.monotonic()
        found = post(url, {}, b"{}", patience_s=1.0)
    assert (found.ok, found.sentence) == (False, "no answer within 1s")
    assert time.monotonic() - began < 5


def test_a_name_that_takes_too_long_to_look_up_ends_the_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that is over before there is a connection ends the try as well: nobody cuts it off afterwards."""
    look_up = socket.getaddrinfo

    def slow(*asked: Any, **more: Any) -> Any:
        wait_until(lambda: all(getattr(one, "function", None) is not delivering._cut for one in threading.enumerate()))
        return look_up(*asked, **more)

    with dribbler() as url:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        found = post(url, {}, b"{}", patience_s=0.2)
    assert (found.ok, found.sentence) == (False, "no answer within 0.2s")
    assert found.took_ms < 8_000


def test_the_receiver_of_the_page_works(tmp_path: Path) -> None:
    """The program in docs/webhooks.md takes what is genuine, once, and refuses what was changed on the way."""
    (program,) = re.findall(r"^```python\n(.+?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hook = Webhook("x", f"http://127.0.0.1:{port}/", ("task.failed",), new_secret(), 0)
    env = {**os.environ, "PORT": str(port), "WEBHOOK_SECRET": hook.secret}
    (tmp_path / "receiver.py").write_text(program)
    receiver = subprocess.Popen(
        [sys.executable, "receiver.py"],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    body = b'{"data":{"sentence":"web failed"}}'
    wait_until(lambda: deliver(hook, "msg_1", body).status == 204)
    forger = Webhook("x", hook.url, hook.events, new_secret(), 0)
    assert [deliver(hook, "msg_1", body).status, deliver(forger, "msg_2", body).status] == [204, 403]
    assert deliver(hook, "msg_3", body, now_s=time.time() - 600).status == 403
    receiver.terminate()
    assert receiver.communicate(timeout=10)[0] == "web failed\n"
