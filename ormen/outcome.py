"""What a task's record says to somebody who waits for it: up, done, still on the way, or not to be had."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ormen.reasons import FINAL, SPENDS, WAITS_FOR_ROOM, Code

ENOUGH_ATTEMPTS = 3
"""Ended attempts after which waiting on is no use to a person, although ormen itself goes on trying."""


class Verdict(StrEnum):
    """What waiting has come to."""

    UP = "up"
    DONE = "done"
    WAITING = "waiting"
    STOPPED = "stopped"
    NO_ROOM = "no room"
    FAILED = "failed"


def code_of(record: Mapping[str, Any]) -> str | None:
    """Return the record's reason code, None without a reason."""
    reason = record.get("reason")
    return str(reason["code"]) if reason else None


def sentence_of(record: Mapping[str, Any]) -> str:
    """Return the sentence of the record's reason, empty without one."""
    reason = record.get("reason")
    return str(reason["sentence"]) if reason else ""


def is_up(record: Mapping[str, Any]) -> bool:
    """Return whether the task runs, and is healthy if it has a check."""
    checked = bool((record.get("spec") or {}).get("health"))
    return record["state"] == "running" and (not checked or record.get("health") == "healthy")


def waits_for_room(record: Mapping[str, Any]) -> bool:
    """Return whether the task is pending because no node has room for it."""
    return record["state"] == "pending" and code_of(record) in {*WAITS_FOR_ROOM, Code.PORT_IN_USE}


def never_fits(record: Mapping[str, Any]) -> bool:
    """Return whether the deck says that no known node could hold the task, even when empty."""
    return record["state"] == "pending" and record.get("could_fit") == "never"


def judge(record: Mapping[str, Any]) -> Verdict:
    """Return what the record means to somebody who waits until the task is up.

    FAILED comes at the first failure that trying again cannot cure, and otherwise once three attempts have
    ended by the task's own fault or before its start.
    """
    state, code = record["state"], code_of(record)
    if is_up(record):
        return Verdict.UP
    if state == "completed":
        return Verdict.STOPPED if code in (Code.STOPPED, Code.STOPPED_UNSEEN) else Verdict.DONE
    if state == "failed":
        return Verdict.FAILED
    if never_fits(record):
        return Verdict.NO_ROOM
    if state == "pending" and (_is_hopeless(record, code) or _tried_enough(record, code)):
        return Verdict.FAILED
    return Verdict.WAITING


def _is_hopeless(record: Mapping[str, Any], code: str | None) -> bool:
    """Return whether trying again cannot cure it; what a node lacks another may have, so each that fits is tried."""
    if code == Code.NODE_LACKS:
        fitted = (record.get("placement") or {}).get("fitted", ENOUGH_ATTEMPTS)
        return int(record["attempt"]) >= int(fitted)
    return code in FINAL


def _tried_enough(record: Mapping[str, Any], code: str | None) -> bool:
    if code in SPENDS:
        return int(record.get("restarts") or 0) >= ENOUGH_ATTEMPTS
    refused = code is not None and (code.startswith("PULL_") or code in (Code.DISK_FULL, Code.START_STALLED))
    return refused and int(record["attempt"]) >= ENOUGH_ATTEMPTS


class Reach(StrEnum):
    """Whether a task is where it is waited for."""

    THERE = "there"
    NOT_YET = "not yet"
    NEVER = "never"


def reach(record: Mapping[str, Any], goal: str) -> Reach:
    """Return whether the task is `goal`: running (and healthy, if it has a check), completed, failed, or ended.

    NEVER is said where it cannot come to it unless somebody does something: it has ended otherwise, no known node
    could ever hold it, or its own failure is one that trying again does not cure. Having run to its end by itself
    counts as having run.
    """
    state, verdict = record["state"], judge(record)
    if goal == "running":
        good, hopeless = verdict in (Verdict.UP, Verdict.DONE), verdict is not Verdict.WAITING
    else:
        ends = ("completed", "failed") if goal == "ended" else (goal,)
        good = state in ends
        hopeless = state in ("completed", "failed") or (state == "pending" and _is_hopeless(record, code_of(record)))
        hopeless = hopeless or never_fits(record)
    return Reach.THERE if good else Reach.NEVER if hopeless else Reach.NOT_YET
