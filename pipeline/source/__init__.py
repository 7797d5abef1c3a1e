"""Plan a source as work units, and read the pages of each.

Section `source` of params.yaml goes in; units, and then pages, come out. This wing reads, by `storage`, and writes
nothing.
"""

from pipeline.source.listing import find_files
from pipeline.source.lookup import Candidates, Wanted, candidates, template_redirects
from pipeline.source.mixture import Mixture, member_of, open_mixture, wiki_of
from pipeline.source.plan import Source, WorkUnit, entry_of, open_source

__all__ = [
    "Candidates",
    "Mixture",
    "Source",
    "Wanted",
    "WorkUnit",
    "candidates",
    "entry_of",
    "find_files",
    "member_of",
    "open_mixture",
    "open_source",
    "template_redirects",
    "wiki_of",
]
