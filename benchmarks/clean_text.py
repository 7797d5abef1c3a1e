"""Measure what cleaning leaves over, tears open and loses; the exit status is 1 when that is too much.

    python -m benchmarks.clean_text enwiki-...-multistream.xml.bz2 ltgwiki-...-multistream.xml.bz2

The table has four figures for each dump, counted in the clean text of all its articles:

- **leftovers** per MB: wikitext that is not prose (quotes of bold and italic, brackets, braces, pipes, tags, comments,
  entities, magic words, names of files and categories in the language of the edition). Counted apart are those that
  the author wants to be read: in `<nowiki>` or `{{code}}`, or written with entities, as `&lt;b&gt;` is.
- **holes** per MB: what looks torn, such as "( )", "(, ", " ,", " .", "“”", " – ,", doubled spaces, or "in and" where
  something stood between the two. Counted apart are those that the author typed so: the hole, with CONTEXT characters
  on each side of it (or a reference, template or comment after it), stands in the wikitext, once link brackets, quotes,
  tags and entities are taken out of that.
- holes **closed** per MB: those that there would be more if each cut just left its place empty.
- **words** of prose that are kept: the share of the words of the prose paragraphs of `mwparserfromhell.strip_code` that
  are also in the clean text of the same page, as multisets. A prose paragraph is a line of its output with at least
  MIN_WORDS words, an end of a sentence, and no bracket, brace, bar or tag that it has left in. References, tables,
  files and categories are taken out of the page first, since `strip_code` keeps their inside. The share of **pairs** of
  neighbouring words says the same of their order; it is lower by what templates put in and `strip_code` leaves out.
"""

import html
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice, pairwise
from typing import Any
from unittest import mock

import mwparserfromhell
from mwparserfromhell.nodes import Tag, Template, Wikilink
from mwparserfromhell.wikicode import Wikicode

from pipeline.articles import CATEGORY, FILE, Article, DeadLetter, Site
from pipeline.prose import holes as holes_module
from pipeline.prose.clean import clean_by_reference
from pipeline.prose.signs import CUT
from pipeline.prose.templates import expand
from pipeline.settings import SourceSettings
from pipeline.source import open_source
from pipeline.unit import cleaner_of
from wikilm.cli import Parser, run
from wikilm.errors import RunError
from wikilm.terminal import visible

CONTEXT = 6
MIN_WORDS = 20
EXCERPTS = 8  # of each page that is shown
LEFTOVERS = {
    "quotes": r"''+",
    "brackets": r"\[\[|\]\]",
    "braces": r"\{\{|\}\}",
    "tables": r"\{\||\|\}",
    "pipes": r"^[ \t]*(?:\||!(?=[ !]))|(?<=\w)\|(?=\w)",
    "tags": r"</?(?:[a-z]+|[A-Z]+)[0-9]?(?: [^<>\n]*)?/?>",
    "comments": r"<!--",
    "entities": r"&(?:#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});",
    "magic words": r"__[^\W_a-z][^\Wa-z]{2,40}__",
    "headings": r"^(=+)[^=\n]+\1[ \t]*$",
}
MISSING, DOUBLED = "missing words", "doubled spaces"
HOLES = {
    "empty brackets": r"(?<!\w)[(（]\)|[(（][\s,;:،、，；：・/–—-]+[)）]|(?<!\w)\[\]|【】|〔〕",
    "space in brackets": r"[(（][^\S\n]|[^\S\n][)）]",
    "separator in brackets": r"[(（][,;:]|[,;][)）]",
    "space before a comma": r"(?<=\S)[^\S\n][,;]",
    "space before a stop": r"(?<=\S)[^\S\n]\.(?=\s|$)",
    "empty quotes": r'(?:[„“][ \xa0]?[“”]|«[ \xa0]?»|‹[ \xa0]?›|「」|『』|《》|〈〉)|(?<![\w".,!?])"[ \xa0]?"(?![\w"])',
    "dangling dash": r"[(（][^\S\n]?[–—-][^\S\n]|[^\S\n][–—-][^\S\n]?(?:[)）,;:、，；]|$)|—[,;)、，；）]",
    "doubled separators": r"[,;][^\S\n]*[,;]",
    DOUBLED: r"[^\S\n]{2,}",
    MISSING: r"\b(?:in|of|at|by|from|with|as|between) (?:and|or)\b|\b(?:the|a|an|of|is|was) ?[.,;](?=\s|$)",
}
_REFERENCE = re.compile(r"<!--.*?-->|<ref\b[^<>]*/>|<ref\b[^<>]*>.*?</ref\s*>", re.DOTALL | re.IGNORECASE)
_RESIDUE = re.compile(r"[|{}]|\[\[|\]\]|</?\w")
_SENTENCE_END = re.compile(r"[.!?。！？।]['\"”’»)\]]*(?:\s|$)")
_FILE_NAME = re.compile(r"\.(?:jpe?g|png|svg|gif|tiff?|webm|og[agv]|pdf)\s*$", re.IGNORECASE)
_NOWIKI = re.compile(r"<nowiki\s*/?>|</nowiki\s*>", re.IGNORECASE)
_PROTECTED = re.compile(r"<nowiki\s*>.*?</nowiki\s*>|<nowiki\s*/>|\{\{code\s*\|[^{}]*\}\}", re.IGNORECASE | re.DOTALL)
_MARKS = re.compile(r"''+|\[\[(?:[^\[\]|\n]*\|)?|\]\]|</?(?!ref\b)[a-zA-Z][^<>\n]*>")
_NO_SPACES = "\u2e80-\u9fff\u3040-\u30ff"  # scripts without spaces between words
_BEFORE_GAP = re.compile(rf"(?:[\w'\])] |[{_NO_SPACES}])\Z")
_AFTER_GAP = re.compile(rf" ?[\w'\[(]|[.,;:](?!\s*<)|[{_NO_SPACES}]")
_BLANKS = re.compile(r"[^\S\n]+")


@dataclass
class Page:
    """What was found in the clean text of a page: counters by kind, and an excerpt of each thing that is ours."""

    title: str
    size: int = 0  # bytes of text
    source: int = 0  # bytes of wikitext
    leftovers: Counter[str] = field(default_factory=Counter)
    wanted: int = 0  # leftovers that the author wants to be read
    holes: Counter[str] = field(default_factory=Counter)
    typed: int = 0  # holes that the author typed
    closed: int = 0  # holes that cleaning has closed
    excerpts: list[str] = field(default_factory=list)
    words: int = 0
    words_kept: int = 0
    pairs: int = 0
    pairs_kept: int = 0
    lost: list[str] = field(default_factory=list)  # words, the first few

    def note(self, counter: Counter[str], kind: str, match: re.Match[str]) -> None:
        """Count what was found, and keep it with what stands around it."""
        counter[kind] += 1
        before, after = match.string[: match.start()][-40:], match.string[match.end() :][:40]
        self.excerpts.append(f"{kind}: {before}⟦{match[0]}⟧{after}".replace("\n", "⏎"))

    @property
    def badness(self) -> float:
        """How bad the page is: leftovers, holes, and words lost, each in units of its limit."""
        return self.leftovers.total() / 5 + self.holes.total() / 20 + (self.words - self.words_kept) / 50


def measure(article: Article, text: str, site: Site) -> Page:
    """Look at one page: its wikitext, and its clean text."""
    page = Page(article.title, size=len(text.encode()), source=len(article.text.encode()))
    _count_leftovers(page, text, article.text, site)
    _count_holes(page, text, article.text)
    page.closed = max(0, _holes_without_care(article, site) - page.holes.total())
    paragraphs, ours = prose(article.text, site), re.findall(r"\w+", text)
    words = Counter(word for some in paragraphs for word in some)
    pairs = Counter(pair for some in paragraphs for pair in pairwise(some))
    page.words, page.words_kept = words.total(), (words & Counter(ours)).total()
    page.pairs, page.pairs_kept = pairs.total(), (pairs & Counter(pairwise(ours))).total()
    page.lost = list((words - Counter(ours)).elements())[:8]
    return page


def _count_leftovers(page: Page, text: str, wikitext: str, site: Site) -> None:
    shown, literal = html.unescape(_NOWIKI.sub("", wikitext)), _PROTECTED.sub("", wikitext)
    bare = html.unescape(re.sub("''+", "", wikitext))  # <'''b'''> shows a tag
    names = {name for number, name in site.namespaces if number in (FILE, CATEGORY)} | {"File", "Image", "Category"}
    files = rf"\b(?:{'|'.join(map(re.escape, sorted(names)))}):\w"
    for kind, pattern in {**LEFTOVERS, "files and categories": files}.items():
        met: Counter[str] = Counter()
        for match in re.finditer(pattern, text, re.MULTILINE):
            met[match[0]] += 1
            markup = literal.count(match[0]) - literal.count(f"[[:{match[0]}")  # a link that is to be read
            markup = markup if kind != "entities" else 0  # of which none is left in `shown`
            if met[match[0]] <= max(shown.count(match[0]), bare.count(match[0])) - markup:
                page.wanted += 1
                continue
            page.note(page.leftovers, kind, match)


def _count_holes(page: Page, text: str, wikitext: str) -> None:
    exact = _MARKS.sub("", html.unescape(wikitext))
    source = _BLANKS.sub(" ", exact)
    for kind, pattern in HOLES.items():
        for match in re.finditer(pattern, text, re.MULTILINE):
            before, after = text[: match.start()].rpartition("\n")[2], text[match.end() :].partition("\n")[0]
            around = [before[-CONTEXT:] + match[0] + end for end in (after[:CONTEXT], "<ref", "{{", "<!--")]
            if any(some in exact or (kind != DOUBLED and _BLANKS.sub(" ", some) in source) for some in around):
                page.typed += kind != MISSING  # which are holes only where the author did not write them so
                continue
            page.note(page.holes, kind, match)


def _holes_without_care(article: Article, site: Site) -> int:
    """How many holes there would be if a cut just left its place empty."""
    with mock.patch.object(holes_module, "close_holes", lambda line: line.replace(CUT, "")):
        torn = clean_by_reference(article.text, site)
    page = Page(article.title)
    _count_holes(page, torn, article.text)
    return page.holes.total()


def prose(wikitext: str, site: Site) -> list[list[str]]:
    """The words of each prose paragraph that `strip_code` keeps; see the top of this module."""
    shown = str(_without_asides(mwparserfromhell.parse(_REFERENCE.sub("", wikitext)), site).strip_code())
    lines = (line for line in shown.split("\n") if _SENTENCE_END.search(line) and not _RESIDUE.search(line))
    return [words for line in lines if len(words := re.findall(r"\w+", line)) >= MIN_WORDS]


def _without_asides(code: Wikicode, site: Site) -> Wikicode:
    """The code without tables, files and categories, also where they stand inside of tags."""
    kept = []
    for node in code.nodes:
        if isinstance(node, Wikilink):
            title = str(node.title)
            if site.namespace_of(title.partition(":")[0]) in (FILE, CATEGORY) or _FILE_NAME.search(title):
                continue
        elif isinstance(node, Tag):
            if str(node.tag).strip().lower() == "table":
                continue
            if node.contents is not None:
                node.contents = _without_asides(node.contents, site)
        kept.append(node)
    return Wikicode(kept)


def gaps(wikitext: str, site: Site) -> Iterator[str]:
    """The names of templates and formulas that stand between words of one line and put no words there."""
    nodes = list(mwparserfromhell.parse(_REFERENCE.sub("", wikitext), skip_style_tags=True).nodes)
    for before, node, after in zip(nodes, nodes[1:], nodes[2:], strict=False):
        if isinstance(node, Template):
            name = str(node.name).strip().lower()
            lost = expand(str(node)[2:-2], site) is None
        else:
            name = f"<{node.tag}>" if isinstance(node, Tag) else ""
            lost = name in ("<math>", "<chem>", "<ce>", "<hiero>", "<score>")
        if lost and _BEFORE_GAP.search(str(before)) and _AFTER_GAP.match(str(after)):
            yield name


@dataclass
class Total:
    """A dump, all in all."""

    name: str
    page: Page  # the sum of all pages
    pages: int = 0
    failed: list[str] = field(default_factory=list)
    worst: list[Page] = field(default_factory=list)
    gaps: Counter[str] = field(default_factory=Counter)
    gaps_before: int = 0  # without the edition's own names of templates
    gained: Counter[str] = field(default_factory=Counter)  # words and letters that these names give

    def add(self, page: Page, worst: int) -> None:
        """Count one more page in, and keep it if it is among the worst."""
        self.pages += 1
        for some in fields(Page):
            if some.name not in ("title", "excerpts", "lost"):
                setattr(self.page, some.name, getattr(self.page, some.name) + getattr(page, some.name))
        self.worst = sorted([*self.worst, page], key=lambda some: some.badness, reverse=True)[:worst]

    def figures(self) -> dict[str, Any]:
        """What is printed, and compared with the limits."""
        megabytes = max(self.page.size / 1e6, 1e-9)
        return {
            "dump": self.name,
            "articles": self.pages,
            "failed": len(self.failed),
            "megabytes_of_wikitext": round(self.page.source / 1e6, 2),
            "megabytes": round(megabytes, 2),
            "leftovers": round(self.page.leftovers.total() / megabytes, 2),
            "leftovers_wanted": round(self.page.wanted / megabytes, 2),
            "holes": round(self.page.holes.total() / megabytes, 2),
            "holes_typed": round(self.page.typed / megabytes, 2),
            "holes_closed": round(self.page.closed / megabytes, 1),
            "words": round(self.page.words_kept / max(self.page.words, 1), 5),
            "pairs": round(self.page.pairs_kept / max(self.page.pairs, 1), 5),
            "kinds": dict((self.page.leftovers + self.page.holes).most_common()),
        }


def measure_dump(path: str, every: int, worst: int, with_gaps: bool) -> Total:
    """Measure every n-th article of a dump."""
    source = open_source(SourceSettings(path=path, unit_bytes=1_000_000))
    cleaner = cleaner_of(source)
    nameless = replace(cleaner, site=replace(cleaner.site, database="", base="", templates=()))
    total = Total(source.entry.name, Page("all"))
    articles = (page for unit in source.units for page in unit.pages(source.site) if isinstance(page, Article))
    for article in islice(articles, 0, None, every):
        text = cleaner.prose(article)
        if isinstance(text, DeadLetter):
            total.failed.append(f"{article.title}: {text.error}")
            continue
        total.add(measure(article, text, source.site), worst)
        if with_gaps:
            total.gaps.update(gaps(article.text, cleaner.site))
            total.gaps_before += sum(1 for _ in gaps(article.text, nameless.site))
            without = str(nameless.prose(article))
            total.gained["letters"] += len(text) - len(without)
            total.gained["words"] += len(re.findall(r"\w+", text)) - len(re.findall(r"\w+", without))
    return total


def show(total: Total) -> None:
    """Print the worst pages of a dump, and the articles that could not be cleaned."""
    for page in total.worst:
        if page.badness:
            lost = f", {page.words - page.words_kept} words lost: {' '.join(page.lost)}" if page.lost else ""
            print(visible(page.title + lost), *(f"    {visible(some)}" for some in page.excerpts[:EXCERPTS]), sep="\n")
    for failed in total.failed:
        print(f"failed: {visible(failed)}")
    if total.gained:
        megabytes = max(total.page.size / 1e6, 1e-9)
        words, letters = (total.gained[kind] / megabytes for kind in ("words", "letters"))
        print(
            f"the edition's own names of templates give {words:.1f} words ({letters:.0f} letters) per MB; gaps per MB: "
            f"{total.gaps_before / megabytes:.1f} without these names, {total.gaps.total() / megabytes:.1f} with them"
        )
    if total.gaps:
        print("templates that stand in a sentence and put no words there:")
        print("    " + ", ".join(f"{visible(name)} {count}" for name, count in total.gaps.most_common(50)))


def table(figures: Sequence[dict[str, Any]]) -> str:
    """The figures of all dumps, in Markdown."""
    lines = [
        "| dump | articles | MB of wikitext | of text | leftovers per MB (wanted) | holes closed per MB | left (typed)"
        " | words kept | pairs kept |",
        f"|{'---|' * 9}",
    ]
    for some in figures:
        ours = f"{some['leftovers']} ({some['leftovers_wanted']}) | {some['holes_closed']}"
        ours += f" | {some['holes']} ({some['holes_typed']})"
        kept = f"{some['words']:.3%} | {some['pairs']:.3%}"
        sizes = f"{some['megabytes_of_wikitext']} | {some['megabytes']}"
        lines.append(f"| {some['dump']} | {some['articles']} | {sizes} | {ours} | {kept} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the dumps; exit status 1 when one is over a limit."""
    parser = Parser(prog="python -m benchmarks.clean_text", description=__doc__)
    parser.add_argument(
        "dumps", nargs="+", metavar="DUMP", help="a dump, with its index beside it if it is multistream"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="look at every n-th article only")
    parser.add_argument("--worst", type=int, default=5, metavar="N", help="pages to show")
    parser.add_argument(
        "--gaps",
        action="store_true",
        help="list the templates whose loss tears sentences open, and what the edition's own names of others give",
    )
    parser.add_argument("--max-leftovers", type=float, default=5, metavar="N", help="per MB of clean text")
    parser.add_argument("--max-holes", type=float, default=20, metavar="N", help="per MB of clean text")
    parser.add_argument("--min-words", type=float, default=0.99, metavar="F", help="share of the words of prose")
    args = parser.parse_args(argv)
    found = []
    for path in args.dumps:
        total = measure_dump(path, max(1, args.every), args.worst, args.gaps)
        show(total)
        found.append(total.figures())
    print(f"\n{table(found)}\n")
    print(json.dumps(found, ensure_ascii=False))
    over = [
        some["dump"]
        for some in found
        if some["leftovers"] > args.max_leftovers or some["holes"] > args.max_holes or some["words"] < args.min_words
    ]
    if over:
        raise RunError(f"over the limits: {', '.join(over)}; the pages above show where")


if __name__ == "__main__":
    sys.exit(run(main, "benchmarks.clean_text"))
