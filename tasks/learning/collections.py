"""Resources and cards as plain records under /learning/resources and /learning/cards."""

from __future__ import annotations

from llmcoder.declare.collection import Collection
from tasks.learning.card_actions import add_card, change_card, remove_card
from tasks.learning.records import Card, CardChange, NewCard, NewResource, Resource, ResourceChange
from tasks.learning.resource_actions import add_resource, change_resource, remove_resource
from tasks.learning.store import CARDS, RESOURCES

resources = Collection(
    "learning/resources", title="Resources", new=NewResource, change=ResourceChange, item=Resource, store=RESOURCES,
    adds=add_resource, changes=change_resource, removes=remove_resource,
)  # fmt: skip
cards = Collection(
    "learning/cards", title="Cards", new=NewCard, change=CardChange, item=Card, store=CARDS,
    adds=add_card, changes=change_card, removes=remove_card,
)  # fmt: skip
