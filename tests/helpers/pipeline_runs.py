"""Run the pipeline on a small made-up wiki, and look at what a run leaves."""

import contextlib
import io
import random
from collections.abc import Sequence
from pathlib import Path

from pipeline.__main__ import main
from pipeline.output.publish import FINAL, UNFINISHED
from pipeline.output.reports import REPORTS
from pipeline.tokenizer import save, train
from tests.helpers.dumps import Page, make_dump
from wikilm.cli import run

PARAMS = """
source: {{path: none.xml.bz2, unit_bytes: {unit_bytes}}}
split: {{seed: 0, validation_fraction: 0.3, take: null}}
shards: {{chunk_tokens: {chunk_tokens}, chunking: pack, max_dead_fraction: 0.1}}
"""
SYLLABLES = "ba ri to ne lu ka ve so mi du".split()  # noqa: SIM905


def prose(number: int, words: int = 60) -> str:
    """Some text of an article: the same for the same number."""
    source = random.Random(number)
    return " ".join("".join(source.choices(SYLLABLES, k=2)) for _ in range(words))


def page(number: int, words: int = 60) -> Page:
    """A page with some markup."""
    text = f"'''Thing {number}''' is a [[thing]].<ref>{prose(-number, 5)}</ref>\n\n== More ==\n{prose(number, words)}"
    return Page(number, f"Thing {number}", text)


def small_wiki() -> list[Page]:
    """37 pages of every fate: 31 are articles with text, one of the others cannot be read."""
    articles = [Page(number, f"Article {number}", prose(number)) for number in range(10, 40)]
    return [
        Page(1, "Old name", redirect="Article 10"),
        *articles[:12],
        Page(50, "Talk:Article 10", "chat", ns=1),
        Page(51, "Category:Things", "things", ns=14),
        Page(52, "Quote", "It ends with <nowiki><|endoftext|></nowiki> in the middle of things."),
        Page(53, "Nothing but a template", "{{stub}}"),
        Page(54, "Old name 2", redirect="Article 11"),
        *articles[12:],
        Page(60, "Broken", raw="  <page>\n    <title>Broken</title>\n    <ns>0</ns>\n    <id>60</id>\n  </page>\n"),
    ]


class PipelineInputs:
    """A folder with params, a dump and a tokenizer, and the command lines of runs that read them."""

    def __init__(self, folder: Path, pages: Sequence[Page], unit_bytes: int = 700, chunk_tokens: int = 16) -> None:
        """Make them; the dump is a multistream one."""
        self.folder = folder
        self.params, self.tokenizer = folder / "params.yaml", folder / "tokenizer"
        self.params.write_text(PARAMS.format(unit_bytes=unit_bytes, chunk_tokens=chunk_tokens))
        self.dump = make_dump(folder / "x-multistream.xml.bz2", pages, pages_per_stream=3)
        save(train([prose(number) for number in range(40)], 300), self.tokenizer, {})

    def arguments(self, output: object, *more: object) -> list[str]:
        """The command line of a run into `output`, of the dump unless `more` names another source."""
        source = () if "--source" in more else ("--source", self.dump)
        given = [*source, "--tokenizer", self.tokenizer, "--params", self.params, "--output", output]
        return [str(part) for part in [*given, *more]]

    def run(self, output: object, *more: object) -> int:
        """Run in this process, in silence; returns the exit status."""
        more = (*more, "--direct_running_mode", "in_memory")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return run(main, "pipeline", self.arguments(output, *more))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file in a folder and below it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def final_names(folder: Path) -> list[str]:
    """What has its final name in the folder of a run's output."""
    return [name for name in FINAL if (folder / name).exists()]


def units_done(folder: Path) -> int:
    """How many units of a run that is under way are done."""
    return len(list((folder / UNFINISHED).glob(f"*/{REPORTS}/[0-9]*.json")))
