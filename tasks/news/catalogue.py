"""Feeds to begin with: public, without an account, in several languages; one needs no network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownFeed:
    """One of them.

    Attributes:
        name: By which `news.add_feed` takes it, for ever.
        language: Such as en or de.
    """

    name: str
    title: str
    url: str
    topic: str
    language: str = "en"


#: The address of the one that comes with the program.
TIPS_URL = "llmcoder:tips"
CATALOGUE = (
    KnownFeed("tips", "LLMCoder: tips", TIPS_URL, "tips"),
    KnownFeed("bbc-world", "BBC News: World", "https://feeds.bbci.co.uk/news/world/rss.xml", "world"),
    KnownFeed("guardian-world", "The Guardian: World", "https://www.theguardian.com/world/rss", "world"),
    KnownFeed("npr", "NPR News", "https://feeds.npr.org/1001/rss.xml", "world"),
    KnownFeed("al-jazeera", "Al Jazeera", "https://www.aljazeera.com/xml/rss/all.xml", "world"),
    KnownFeed("dw", "Deutsche Welle", "https://rss.dw.com/rdf/rss-en-all", "world"),
    KnownFeed("france24", "France 24", "https://www.france24.com/en/rss", "world"),
    KnownFeed("tagesschau", "tagesschau.de", "https://www.tagesschau.de/infoservices/alle-meldungen-100~rss2.xml",
              "world", "de"),
    KnownFeed("spiegel", "DER SPIEGEL", "https://www.spiegel.de/schlagzeilen/index.rss", "world", "de"),
    KnownFeed("le-monde", "Le Monde", "https://www.lemonde.fr/rss/une.xml", "world", "fr"),
    KnownFeed("el-pais", "EL PAÍS", "https://feeds.elpais.com/mrss-s/pages/ep/site/elpais.com/portada", "world", "es"),
    KnownFeed("nhk", "NHK ニュース", "https://www3.nhk.or.jp/rss/news/cat0.xml", "world", "ja"),
    KnownFeed("bbc-business", "BBC News: Business", "https://feeds.bbci.co.uk/news/business/rss.xml", "business"),
    KnownFeed("ecb", "European Central Bank", "https://www.ecb.europa.eu/rss/press.html", "business"),
    KnownFeed("nature", "Nature", "https://www.nature.com/nature.rss", "science"),
    KnownFeed("science-daily", "ScienceDaily", "https://www.sciencedaily.com/rss/all.xml", "science"),
    KnownFeed("nasa", "NASA", "https://www.nasa.gov/feed/", "science"),
    KnownFeed("ars-technica", "Ars Technica", "https://feeds.arstechnica.com/arstechnica/index", "technology"),
    KnownFeed("the-verge", "The Verge", "https://www.theverge.com/rss/index.xml", "technology"),
    KnownFeed("heise", "heise online", "https://www.heise.de/rss/heise-atom.xml", "technology", "de"),
    KnownFeed("hacker-news", "Hacker News", "https://news.ycombinator.com/rss", "technology"),
    KnownFeed("lwn", "LWN.net", "https://lwn.net/headlines/rss", "technology"),
    KnownFeed("arxiv-ai", "arXiv: Artificial Intelligence", "https://rss.arxiv.org/rss/cs.AI", "science"),
    KnownFeed("xkcd", "xkcd", "https://xkcd.com/atom.xml", "comics"),
)  # fmt: skip
BY_NAME = {feed.name: feed for feed in CATALOGUE}
