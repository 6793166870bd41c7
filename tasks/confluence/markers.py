"""How a page or a version is known again as ours, and what is said when somebody else's came between. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from tasks.confluence.errors import PageConflict
from tasks.confluence.site import Edit


def marked(storage: str, marker: str) -> str:
    """The storage with an anchor at its end, which readers do not see and edits do not lose."""
    name = f'<ac:parameter ac:name="">{escape(marker)}</ac:parameter>'
    return f'{storage}<p><ac:structured-macro ac:name="anchor">{name}</ac:structured-macro></p>'


def is_marked(storage: str, marker: str) -> bool:
    """Whether the storage has that anchor; sites add attributes of their own to it."""
    return f">{escape(marker)}</ac:parameter>" in storage


def changed_meanwhile(base_version: int, edits: Sequence[Edit]) -> PageConflict:
    """What is said instead of overwriting what others wrote."""
    if not edits:
        return PageConflict(
            f"The page does not have version {base_version} as its newest. Read it again; nothing was lost."
        )
    told = "; ".join(_told(edit) for edit in edits[:3])
    more = f"; and {len(edits) - 3} more" if len(edits) > 3 else ""
    return PageConflict(
        f"The page has changed since version {base_version}: {told}{more}. Nothing was overwritten: read the page "
        "again, and put your change into what it says now."
    )


def _told(edit: Edit) -> str:
    who = f" by {edit.by}" if edit.by else ""
    why = f" ({edit.message[:80]})" if edit.message else ""
    return f"version {edit.version}{who} on {edit.at:%Y-%m-%d %H:%M} UTC{why}"
