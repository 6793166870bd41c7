"""Articles at GET /news/articles: listed and shown; feeds bring them, and nobody adds one."""

from __future__ import annotations

from typing import Any

from llmcoder.declare.collection import Collection
from tasks.news.article_list import ARTICLES
from tasks.news.records import Article

articles: Collection[Any, Any, Article] = Collection("news/articles", title="Articles", item=Article, store=ARTICLES)
