"""Whoever meets a code finds what it means, what ormen does about it and what to do: every code, none forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ormen import errors
from ormen.meanings import MEANINGS, page
from ormen.reasons import FINAL, SPENDS, Code
from tests.unit.test_docs import ROOT, refusals, segments
from tests.unit.test_docs import check as read_command

FOLDER = ROOT / "docs" / "reasons"
PARTS = ["How ormen knows", "What happens next", "What to do", "Example"]
NO_CODES = {"index.md", "requests.md"}


def parts(code: Code) -> dict[str, str]:
    """The page of a code by its headings; the sentence under the title is under ``""``."""
    title, *rest = (ROOT / page(code)).read_text().split("\n## ")
    assert title.startswith(f"# {code.value}\n")
    return {"": title.partition("\n")[2].strip()} | {part.partition("\n")[0]: part.partition("\n")[2] for part in rest}


def test_every_code_has_a_meaning_and_a_page_and_every_page_a_code() -> None:
    """A code nobody explains is a riddle, and a page whose code is gone is a lie."""
    assert list(MEANINGS) == list(Code)
    assert {path.name for path in FOLDER.iterdir()} == {Path(page(code)).name for code in Code} | NO_CODES


@pytest.mark.parametrize("code", Code)
def test_a_meaning_is_a_sentence_and_a_hint_an_order(code: Code) -> None:
    """`says` is one sentence that ends; `hint` begins small, ends without a stop and may close with a command."""
    about = MEANINGS[code]
    assert re.fullmatch(r"[A-Z][^\n]*[a-z]\.", about.says)
    assert re.fullmatch(r"[a-z][^\n]*[^.\s]", about.hint)
    assert len(about.says) < 110
    assert len(about.hint) < 100


@pytest.mark.parametrize("code", Code)
def test_a_page_tells_the_four_things(code: Code) -> None:
    """It opens with the meaning, then says how ormen knows, what happens next, what to do, and shows one case."""
    found = parts(code)
    assert list(found) == ["", *PARTS]
    assert found[""] == MEANINGS[code].says
    assert all(text.strip() for text in found.values())
    assert f"[{code.value}]" in found["Example"]


@pytest.mark.parametrize("code", Code)
def test_the_commands_of_a_hint_exist_and_are_on_the_page(code: Code) -> None:
    """What the hint tells to type can be typed, and its page tells it, too."""
    lines = re.findall(r"(?<=: )(?:ormen|docker|systemctl) [a-z][^;,]*", MEANINGS[code].hint)
    for line in lines:
        for words in segments(line):
            if words[0] == "ormen":
                read_command(words[1:])
            plain = " ".join(word for word in words if re.fullmatch(r"[a-z]+", word))
            assert plain in parts(code)["What to do"], line


def test_a_page_says_whether_trying_again_helps() -> None:
    """What the two sets of codes say stands in the words of the pages, and in no other page."""
    final = {code for code in Code if "Trying again cannot cure it" in parts(code)["What happens next"]}
    spending = {code for code in Code if "spends one of its tries" in parts(code)["What happens next"]}
    # A policy's refusal stores nothing, so nothing is there to be tried again.
    assert final == FINAL - {Code.POLICY}
    assert spending == SPENDS


def test_every_refusal_of_a_request_is_told_what_to_do() -> None:
    """Each code of a problem document has its part on the page of requests, in a list without strangers."""
    page_codes = re.findall(r"^## (\w+)$", (FOLDER / "requests.md").read_text(), re.MULTILINE)
    known = {kind.code for kind in set(refusals(errors.OrmenError)) - {errors.NodeRefused}}
    assert set(page_codes) == known
    assert len(page_codes) == len(known)
