"""What money has to say in a digest."""

from __future__ import annotations

from llmcoder.declare.digest import Part, Span


def _given(span: Span) -> dict[str, str]:
    return {
        "from": span.since.astimezone(span.zone).date().isoformat(),
        "to": span.now.astimezone(span.zone).date().isoformat(),
    }


SPENDING = Part(
    "spending", "Spending", action="finance.spending", given=_given, pick="items[].{text: text, detail: detail}"
)
