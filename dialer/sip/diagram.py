"""The state machines as Mermaid diagrams: `python -m dialer.sip.diagram docs/design/sip.md` redraws them between
their marks.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from dialer.sip.tables import MACHINES, Table

__all__ = ["draw", "redraw"]


def draw(title: str, start: str, table: Table) -> str:
    """One machine as a fenced Mermaid block. Events that lead from one state to the same other share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for state, row in table.items():
        for event, (target, actions) in row.items():
            label = f"{event} / {', '.join(actions)}" if actions else event
            arrows.setdefault((state, target), []).append(label)
    lines = ["```mermaid", "stateDiagram-v2", f"    %% {title}", f"    [*] --> {start}"]
    if "incoming" in table:
        lines.append("    [*] --> incoming")
    lines += [f"    {state} --> {target}: {'<br/>'.join(labels)}" for (state, target), labels in arrows.items()]
    lines += [f"    {state} --> [*]" for state, row in table.items() if state in ("terminated", "ended") or not row]
    lines.append("```")
    return "\n".join(lines)


def redraw(page: str) -> str:
    """The page with the text after each `<!-- machine: NAME -->` up to `<!-- end -->` drawn anew. Raises KeyError for
    a name unknown.
    """

    def one(match: re.Match[str]) -> str:
        title = match[1]
        start, table = MACHINES[title]
        return f"<!-- machine: {title} -->\n{draw(title, start, table)}\n<!-- end -->"

    return re.sub(r"<!-- machine: (.+?) -->\n.*?<!-- end -->", one, page, flags=re.DOTALL)


def main(paths: list[str]) -> int:
    """Redraw each file in place."""
    for name in paths:
        path = Path(name)
        path.write_text(redraw(path.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
