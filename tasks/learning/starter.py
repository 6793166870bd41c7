"""The resources that come with the engine: free to read, kept by those who made them, each known for years."""

from __future__ import annotations

from collections.abc import Iterable

from llmcoder.caseless import fold
from tasks.learning.records import Level, NewResource, ResourceKind

_BEGINNER, _INTERMEDIATE, _ADVANCED = Level.BEGINNER, Level.INTERMEDIATE, Level.ADVANCED
_BOOK, _COURSE, _DOCS = ResourceKind.BOOK, ResourceKind.COURSE, ResourceKind.DOCUMENTATION
_ARTICLE, _EXERCISE = ResourceKind.ARTICLE, ResourceKind.EXERCISE

#: Topic, title, address, author, level, kind, minutes, what it is good for.
_ROWS: tuple[tuple[str, str, str, str, Level, ResourceKind, int, str], ...] = (
    ("learning", "Augmenting Long-term Memory", "https://augmentingcognition.com/ltm.html", "Michael Nielsen",
     _BEGINNER, _ARTICLE, 90, "How cards that come back in time change what one can read and remember."),
    ("learning", "How to write good prompts", "https://andymatuschak.org/prompts/", "Andy Matuschak",
     _BEGINNER, _ARTICLE, 60, "What makes a card worth answering for years."),
    ("learning", "Twenty rules of formulating knowledge", "https://www.supermemo.com/en/blog/twenty-rules-of-formulating-knowledge",
     "Piotr Woźniak", _BEGINNER, _ARTICLE, 30, "Short rules for cards: understand first, one fact each, no lists."),
    ("git", "Pro Git", "https://git-scm.com/book/en/v2", "Scott Chacon and Ben Straub",
     _BEGINNER, _BOOK, 900, "The whole of git; chapters 2 and 3 are enough for most days."),
    ("git", "Learn Git Branching", "https://learngitbranching.js.org/", "Peter Cottle",
     _BEGINNER, _EXERCISE, 180, "Branches, merges and rebases as puzzles in the browser."),
    ("shell", "The Missing Semester of Your CS Education", "https://missing.csail.mit.edu/", "MIT",
     _BEGINNER, _COURSE, 660, "Shell, editor, git, debugging: what courses leave out."),
    ("shell", "Bash Guide", "https://mywiki.wooledge.org/BashGuide", "Greg Wooledge",
     _INTERMEDIATE, _BOOK, 300, "Quoting, tests and loops that survive odd file names."),
    ("python", "The Python Tutorial", "https://docs.python.org/3/tutorial/", "Python Software Foundation",
     _BEGINNER, _DOCS, 480, "From the interpreter to classes, by those who make it."),
    ("python", "Automate the Boring Stuff with Python", "https://automatetheboringstuff.com/", "Al Sweigart",
     _BEGINNER, _BOOK, 1200, "Files, spreadsheets, web pages and mail for people who are no programmers."),
    ("python", "Fluent Python: companion", "https://www.fluentpython.com/", "Luciano Ramalho",
     _ADVANCED, _ARTICLE, 240, "What goes beyond the book: the data model, generators, typing."),
    ("sql", "SQLBolt", "https://sqlbolt.com/", "SQLBolt",
     _BEGINNER, _EXERCISE, 180, "Queries to try in the browser, one idea at a time."),
    ("sql", "Use The Index, Luke", "https://use-the-index-luke.com/", "Markus Winand",
     _INTERMEDIATE, _BOOK, 480, "Why a query is slow, for every large database."),
    ("sql", "SQLite: Query Planning", "https://www.sqlite.org/queryplanner.html", "SQLite",
     _INTERMEDIATE, _DOCS, 40, "How an index is used, in pictures."),
    ("web", "Learn web development", "https://developer.mozilla.org/en-US/docs/Learn_web_development", "MDN",
     _BEGINNER, _COURSE, 3000, "HTML, CSS and JavaScript from the beginning."),
    ("web", "Eloquent JavaScript", "https://eloquentjavascript.net/", "Marijn Haverbeke",
     _INTERMEDIATE, _BOOK, 1500, "The language and how to think in it, with exercises."),
    ("systems", "Operating Systems: Three Easy Pieces", "https://pages.cs.wisc.edu/~remzi/OSTEP/",
     "Remzi and Andrea Arpaci-Dusseau", _INTERMEDIATE, _BOOK, 2400, "Processes, memory, disks: one idea a chapter."),
    ("systems", "Notes on Distributed Systems for Young Bloods", "https://www.somethingsimilar.com/2013/01/14/notes-on-distributed-systems-for-young-bloods/",
     "Jeff Hodges", _INTERMEDIATE, _ARTICLE, 25, "What goes wrong between machines, and what to expect of them."),
    ("systems", "Crafting Interpreters", "https://craftinginterpreters.com/", "Robert Nystrom",
     _ADVANCED, _BOOK, 2400, "A language, built twice."),
    ("security", "PortSwigger Web Security Academy", "https://portswigger.net/web-security", "PortSwigger",
     _INTERMEDIATE, _COURSE, 3000, "Attacks on web pages, each with a lab to try."),
    ("statistics", "Seeing Theory", "https://seeing-theory.brown.edu/", "Daniel Kunin",
     _BEGINNER, _COURSE, 180, "Probability and statistics to play with."),
    ("statistics", "Think Stats", "https://allendowney.github.io/ThinkStats/", "Allen B. Downey",
     _INTERMEDIATE, _BOOK, 900, "Statistics by programs rather than by formulas."),
    ("machine learning", "Neural Networks and Deep Learning", "http://neuralnetworksanddeeplearning.com/",
     "Michael Nielsen", _INTERMEDIATE, _BOOK, 900, "Why networks learn, with a hundred lines that read digits."),
    ("writing", "Google's technical writing courses", "https://developers.google.com/tech-writing", "Google",
     _BEGINNER, _COURSE, 240, "Short sentences, lists, and who the reader is."),
    ("languages", "Language Transfer", "https://www.languagetransfer.org/", "Mihalis Eleftheriou",
     _BEGINNER, _COURSE, 900, "Spanish, German, Greek and more by thinking, without cards and without homework."),
)  # fmt: skip


def resources(topics: Iterable[str] = ()) -> list[NewResource]:
    """Those of these topics, in any case; all where none is named."""
    topic_keys = {fold(topic) for topic in topics}
    return [
        NewResource(
            title=title, topic=topic, url=url, author=author, level=level, kind=kind, language="en", minutes=minutes,
            notes=notes,
        )
        for topic, title, url, author, level, kind, minutes, notes in _ROWS
        if not topic_keys or fold(topic) in topic_keys
    ]  # fmt: skip


def topics() -> list[str]:
    """Of all of them, each once."""
    return list(dict.fromkeys(row[0] for row in _ROWS))
