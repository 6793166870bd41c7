"""The pages by which recipe-scrapers tests itself, read where they lie: `LLMCODER_RECIPE_PAGES` names their folder.

They are others' pages and no part of the project. PyPI's archives of that library leave them out; Debian's have them:
`apt-get source python-recipe-scrapers`, then the folder `tests/test_data`.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from llmcoder import BadInput
from tasks.recipe.arrivals import fitted
from tasks.recipe.contents import content_of
from tasks.recipe.page import read_page

PAGES = os.environ.get("LLMCODER_RECIPE_PAGES", "")
#: Of a hundred pages, so many say for machines what to cook; the others do it by scripts, or not any more.
SHARE = 0.88

pytestmark = pytest.mark.skipif(not PAGES, reason="LLMCODER_RECIPE_PAGES names no folder of pages")


@pytest.mark.slow("hundreds of pages of a megabyte")
def test_no_page_breaks_the_reader_and_what_it_finds_can_be_kept() -> None:
    pages = sorted([*Path(PAGES).rglob("*.testhtml"), *Path(PAGES).rglob("*.html")])
    assert len(pages) > 100, f"there are no pages in {PAGES}"
    kept = 0
    for page in pages:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as in the process that reads pages
            reading = read_page(page.read_text("utf-8", "replace"))
        if reading.recipe is not None:
            try:
                content = content_of(fitted(reading.recipe, page.name))
            except BadInput as error:
                pytest.fail(f"{page.name}: {error.detail}")
            kept += 1
            assert content["ingredients"] or content["steps"]
    print(f"{kept} of {len(pages)} pages give a recipe")
    assert kept >= SHARE * len(pages)
