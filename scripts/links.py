"""Check that every relative link of the Markdown files leads to a file, and to a heading where it names one."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_ROOT = Path(__file__).resolve().parent.parent


def anchors(text: str) -> set[str]:
    """Return the names under which a page's headings can be linked to, as the usual renderers make them."""
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*$", _FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def broken(page: Path) -> list[str]:
    """Return a sentence for each link of the page that leads nowhere. Links to other hosts are not followed."""
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))
    found = []
    for match in _LINK.finditer(prose):
        link = match.group(1) or match.group(2)
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            found.append(f"{page.relative_to(_ROOT)}: {link} does not exist")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8")):
            found.append(f"{page.relative_to(_ROOT)}: {link} names no heading of that page")
    return found


def main() -> int:
    """Print every broken link of the checkout's pages; return the exit code."""
    pages = [*_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md"), *_ROOT.glob("benchmarks/**/*.md")]
    faults = [fault for page in sorted(pages) for fault in broken(page)]
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
