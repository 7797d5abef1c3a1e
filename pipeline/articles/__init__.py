"""Define what travels: articles in columns, their wiki and their split.

Pages of a source go in, one by one; batches of them come out. Pure: this wing reads and writes nothing.
"""

from pipeline.articles.article import MAX_ID, REDIRECT, Article, DeadLetter, Dropped, Page
from pipeline.articles.columns import (
    NO_ARTICLES,
    NO_IDENTITIES,
    Articles,
    Identities,
    Pages,
    Texts,
    gather,
    in_columns,
    utf8_of,
)
from pipeline.articles.site import CATEGORY, FILE, TEMPLATE, Site, page_base
from pipeline.articles.split import NO_SHARE, NO_SPLIT, TRAIN, Selection, Smallest, merge, selection, smallest
from pipeline.articles.wiki import ONLY, Wiki

__all__ = [
    "CATEGORY",
    "FILE",
    "MAX_ID",
    "NO_ARTICLES",
    "NO_IDENTITIES",
    "NO_SHARE",
    "NO_SPLIT",
    "ONLY",
    "REDIRECT",
    "TEMPLATE",
    "TRAIN",
    "Article",
    "Articles",
    "DeadLetter",
    "Dropped",
    "Identities",
    "Page",
    "Pages",
    "Selection",
    "Site",
    "Smallest",
    "Texts",
    "Wiki",
    "gather",
    "in_columns",
    "merge",
    "page_base",
    "selection",
    "smallest",
    "utf8_of",
]
