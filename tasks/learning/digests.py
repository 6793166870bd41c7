"""What learning has to say in a digest."""

from __future__ import annotations

from llmcoder.declare.digest import Part

CARDS = Part(
    "cards",
    "Cards to learn",
    action="learning.due",
    given=lambda span: {"limit": 5},
    pick="[[{text: summary, sums_up: `true`}], items[].{text: question, detail: deck}][] | [?text]",
)
