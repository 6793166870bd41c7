"""What recipes are good for at the same time every day."""

from __future__ import annotations

from llmcoder.declare.schedule import DefaultSchedule

DINNER = DefaultSchedule(
    "What to cook tonight", action="recipe.suggest_recipes", cron="0 16 * * *", input={"count": 3, "max_minutes": 45}
)
