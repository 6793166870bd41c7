"""Recipes from a web page, and from an export of another program; each import is taken back as one."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from pydantic import Field, model_validator

from llmcoder import BadInput, Context, Effect, FileRef, Model, Retry, Undo, action
from llmcoder.provenance import Taint
from tasks.recipe import importing
from tasks.recipe.arrivals import canonical_of, fitted, key_of_address, key_of_content
from tasks.recipe.fetching import fetch_page
from tasks.recipe.page_process import read_in_process
from tasks.recipe.records import Address, Recipe

LONGEST_PAGE = 5_000_000


class PageSource(Model):
    """A page with a recipe on it."""

    url: Address | None = Field(
        None,
        description="Address of the page. With `html`: where that is from; nothing is fetched then.",
        examples=["https://example.org/recipes/lentil-soup"],
    )
    html: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_PAGE,
        description="The page's source itself, for pages that only you can see. Copy it from your browser.",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.url is None and self.html is None:
            raise ValueError("give `url`, or the page's source as `html`")
        return self


class ImportedPage(Model):
    """What became of a page."""

    recipe: Recipe = Field(description="The recipe.")
    added: bool = Field(description="False where you had the recipe of this page already: then it is as you have it.")
    import_id: UUID = Field(description="Of this import, to take it back.")
    url: str | None = Field(description="The page's address, as it is known by from now on.")
    others: list[str] = Field(description="Titles of other recipes on the page, which were not taken.")
    read_by: list[str] = Field(description="What the page was read by: schema.org, recipe-scrapers, h-recipe.")


class RecipeFile(Model):
    """An export of another program."""

    file: FileRef = Field(
        description="From Mealie (.json, .zip), Paprika (.paprikarecipes, .paprikarecipe), Nextcloud Cookbook (.json,"
        " .zip of its folder), or any schema.org recipes as JSON."
    )
    skip_broken: bool = Field(
        False, description="True to take what can be read and name the rest; else one broken recipe stops it all."
    )


class ImportedFile(Model):
    """What became of an export."""

    import_id: UUID = Field(description="Of this import, to take it back.")
    program: str = Field(description="Whose export it is: mealie, paprika, nextcloud or schema.org.")
    found: int = Field(description="Recipes in the file.")
    added: int = Field(description="New ones.")
    known: int = Field(description="Those that you have already; they are as you have them.")
    broken: list[str] = Field(description="Those that could not be read, and why; only with `skip_broken`.")
    titles: list[str] = Field(description="The first titles of what was added.")


class RecipeImportChoice(Model):
    """Which import is meant."""

    import_id: UUID = Field(
        description="`import_id` of its result: the id of its job.", examples=["01937b2e-7c00-7000-8000-000000000001"]
    )


class TakenBack(Model):
    """An import that is taken back."""

    removed: int = Field(description="Recipes that are gone.")
    kept: list[str] = Field(description="Titles of those that you have changed since; they stay.")


@action("recipe.undo_import", effect=Effect.DESTROY, repeatable=True, timeout_s=120)
def undo_import(which: RecipeImportChoice, ctx: Context) -> TakenBack:
    """Take an import back as one; recipes that you have changed since stay."""
    removed, kept = importing.take_back(ctx.user.id, which.import_id)
    return TakenBack(removed=removed, kept=kept)


@action(
    "recipe.import_page",
    effect=Effect.WRITE,
    repeatable=True,
    outside=True,
    undo=Undo(undo_import, lambda page, imported: RecipeImportChoice(import_id=imported.import_id)),
    timeout_s=120,
    retry=Retry(attempts=4, first_wait_s=5),
)
def import_page(source: PageSource, ctx: Context) -> ImportedPage:
    """Keep the recipe of a web page; the same page again adds nothing.

    Reads schema.org, and several hundred cooking sites that differ from it. Pictures are named and not fetched.
    """
    html, fetched = (source.html, source.url) if source.html is not None else fetch_page(source.url or "", ctx)
    ctx.trail.read(Taint.OUTSIDE)
    ctx.progress(0.5, "Reading the page")
    reading = read_in_process(html, fetched, ctx)
    if reading.recipe is None:
        raise BadInput(_nothing_there(fetched, reading.title))
    url = reading.canonical if fetched is None else canonical_of(reading.canonical, fetched)
    new = fitted({**reading.recipe, "source_url": url}, url or "The page")
    key = key_of_content(new) if url is None else key_of_address(url)
    recipe, added = importing.take_page(ctx.user.id, ctx.job_id, key, new)
    return ImportedPage(
        recipe=recipe, added=added, import_id=ctx.job_id, url=url, others=reading.others, read_by=reading.read_by
    )


@action(
    "recipe.import_file",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(undo_import, lambda given, imported: RecipeImportChoice(import_id=imported.import_id)),
    timeout_s=600,
)
def import_file(given: RecipeFile, ctx: Context) -> ImportedFile:
    """Keep all recipes of another program's export, or none of them; again adds nothing.

    What cannot be read is named. Pictures are left out.
    """
    with ctx.open_file(given.file) as file:
        export = importing.read_export(file, ctx.file(given.file).name, given.skip_broken, ctx)
    ctx.trail.read(Taint.OUTSIDE)
    added = importing.take_all(ctx.user.id, ctx.job_id, export, ctx)
    return ImportedFile(
        import_id=ctx.job_id,
        program=export.program,
        found=len(export.recipes) + len(export.broken),
        added=len(added),
        known=len(export.recipes) - len(added),
        broken=export.broken,
        titles=added[:20],
    )


def _nothing_there(url: str | None, title: str | None) -> str:
    where = "The page" if url is None else f"{url[:200]}"
    named = f" ({title[:100]!r})" if title else ""
    return (
        f"{where}{named} names no recipe: no schema.org recipe and none that is known of its site. Where it shows one"
        " to you, it may be made by scripts: open it in your browser, and give its source as `html`."
    )
