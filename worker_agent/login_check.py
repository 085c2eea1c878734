"""What this node says when the deck asks whether a registry takes a login, before the login is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ormen.reasons import Code
from ormen.registries import Login
from ormen.sealing import SealError
from ormen.store.logins import LoginStore
from worker_agent.docker_faults import login_sealed
from worker_agent.runtime import PullRefused
from worker_agent.station import Station


class LoginCheck:
    """Answers requests of the kind ``login``."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._logins = LoginStore(station.store.settings, station.store.client)

    def answer(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return whether the registry takes the login, with code and sentence where it does not."""
        host, user = str(options["host"]), str(options["user"])
        try:
            self._station.runtime.check_login(Login(host, user, self._logins.open(str(options["secret"]))))
        except SealError as fault:
            sentence = login_sealed(host, str(fault)).sentence.replace("this host", self._station.node)
            return {"ok": False, "code": Code.PULL_UNREACHABLE.value, "sentence": sentence}
        except PullRefused as fault:
            return {"ok": False, **fault.reason.to_json()}
        return {"ok": True, "code": None, "sentence": None}
