"""What tests of recipes share: one user's actions, run where they are declared."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from llmcoder import Action, User
from llmcoder.testing import FakeContext, run_action
from tasks.recipe.actions import add_recipe
from tasks.recipe.records import Recipe

SOUP: dict[str, Any] = {
    "title": "Carrot soup",
    "ingredients": ["500 g carrots", "1 onion", "1 l vegetable stock", "2 tbsp cream", "a pinch of salt"],
    "steps": ["Cook.", "Blend."],
    "servings": 4,
    "prep_minutes": 10,
    "cook_minutes": 20,
    "diets": ["vegetarian", "gluten_free"],
    "tags": ["Soup", "winter"],
}


class Kitchen:
    """The actions of one user."""

    def __init__(self, user: User) -> None:
        self.user = user

    def run(self, action: Action[Any, Any], job_id: UUID | None = None, **given: Any) -> Any:
        return run_action(action, given, FakeContext(user=self.user, job_id=job_id)).result

    def add(self, **given: Any) -> Recipe:
        recipe: Recipe = self.run(add_recipe, **(SOUP | given))
        return recipe
