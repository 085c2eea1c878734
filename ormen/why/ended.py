"""Why a task has completed or failed."""

from __future__ import annotations

import re

from ormen.reasons import Code
from ormen.units import format_age, format_duration
from ormen.why import attempts, catalogue, clues
from ormen.why.case import Case, Fix, Story
from ormen.why.phrases import lowered, predicate
from ormen.why.waiting import oom

_ASKED = re.compile(r"was asked for by (.+?)(?:, on .*)?$")


def completed(case: Case) -> Story:
    """Return by whose doing a task has ended well."""
    task, reason = case.task, case.task.reason
    if reason is None:
        return Story(None, f"{task.name} has completed{_ran(case)}.", (), _evidence(case, lines=0))
    asked = case.event("task.stopping")
    by = _ASKED.search(asked.sentence) if asked else None
    ago = f"{format_age(case.ago_s(task.ended_ms))} ago"
    who = f"; {by[1]} asked for it {ago}" if by else f"; that was asked for {ago}"
    said = predicate(reason.sentence)
    if reason.code is Code.STOPPED_UNSEEN:
        sentence = f"{task.name} counts as stopped, but nobody saw it end: {task.node or 'its node'} was lost"
    elif said:
        sentence = f"{task.name} {said}"
    else:
        sentence = reason.sentence.rstrip(".")
    fixes = catalogue.fixes(reason.code, case)
    return Story(reason.code, f"{sentence}{who}.", fixes, _evidence(case, lines=0))


def _ran(case: Case) -> str:
    last = case.ended[0] if case.ended else None
    ran = attempts.ran_s(last) if last else None
    code = "" if case.task.exit_code is None else f": it exited with code {case.task.exit_code}"
    return code if ran is None or last is None else f"{code} after {format_duration(ran)} on {last.node}"


def failed(case: Case) -> Story:
    """Return what ended a task's last attempt, and that no other follows."""
    task, reason = case.task, case.task.reason
    if reason is None:
        return Story(None, f"{task.name} has failed; why was not written down.", None, _evidence(case, lines=5))
    last = case.ended[0] if case.ended else None
    if last and reason.code is Code.OOM:
        story = oom(case, last)
        return Story(story.code, f"{story.sentence[:-1]}{_spent(reason.sentence)}.", story.fixes, story.more)
    said = predicate(reason.sentence)
    sentence = f"{task.name} failed: {f'it {said}' if said else lowered(reason.sentence)}."
    cure = clues.cure(last.log_tail) if last else None
    fixes = (Fix(cure),) if cure else catalogue.fixes(reason.code, case, node=last.node if last else None)
    # What to do about a wait that was too long ends with trying again.
    again = () if reason.code is Code.DEADLINE_WAIT else (Fix("try it again", f"ormen restart {task.name}"),)
    return Story(reason.code, sentence, (*fixes, *again), _evidence(case, lines=5))


def _spent(sentence: str) -> str:
    """Return what the agent said of the restart policy: ``; on-failure:3 is spent after 4 attempts``."""
    found = re.search(r"; \S+ is spent after .*?(?=\.?$)", sentence)
    return found[0] if found else ""


def _evidence(case: Case, *, lines: int) -> dict[str, object]:
    words = attempts.last_words(case.ended[:1], most=lines) if lines else {}
    return {"attempts": [attempts.document(one) for one in case.ended], **words}
