"""Compare what it costs to leave out copies, exact and near ones, with a run that leaves out none.

    python -m benchmarks.deduplicate --source corpus/wiki.xml.bz2 --vocabulary gpt2 --work /tmp/bench --bytes 1e9

Makes a Parquet source of plain text, which is the hard case, since it takes the pipeline several times less time than
a dump (`--dump` makes one of the same articles): real words in an order of their own, every twentieth article an exact
copy of an earlier one, and every twentieth a near copy, with one word in a hundred changed. Runs the three forms by
turns, `--repeat` times, and prints the least CPU time of all processes, as it is and less what the same command takes
for a source of a megabyte; and how many of the planted copies were found. The goals at 1 GB: exact at most 1.10 times
none, near at most 2 times.
"""

import argparse
import contextlib
import itertools
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.make_big_source import base_articles, write_dump, write_parquet
from benchmarks.preprocess import PARAMS, ROOT, TINY, Cost, measured, workers

FORMS = ("none", "exact", "near")
EXACT, NEAR, PERIOD = 19, 9, 20  # of twenty articles in a row, which are copies of which kind
BACK = 3  # articles before it is what it is a copy of
CHANGED_WORDS = 0.01


def article(bases: Sequence[Sequence[str]], number: int) -> str:
    """The text of an article: a pure function of its number."""
    drawn = random.Random(number)  # noqa: S311 - no secret
    kind = number % PERIOD
    if kind in (EXACT, NEAR):
        original = article(bases, number - BACK)
        if kind == EXACT:
            return original
        words = original.split(" ")
        for place in drawn.sample(range(len(words)), int(len(words) * CHANGED_WORDS)):
            words[place] = f"w{number}"
        return " ".join(words)
    words = list(bases[number % len(bases)])
    drawn.shuffle(words)
    return " ".join(words)


def word_lists(path: str) -> list[list[str]]:
    """The words of the articles of a source, in lists of a few hundred to a few thousand."""
    texts = (" ".join("".join(paragraph) for paragraph in base) for base in base_articles(path, False))
    words = [text.split() for text in texts]
    lists = [some[begin : begin + 600] for some in words for begin in range(0, len(some), 600)]
    return [some for some in lists if len(some) >= 100]


def make(bases: Sequence[Sequence[str]], path: Path, size: int) -> int:
    """Make a source of so many bytes of text or XML; returns the bytes made."""

    def texts() -> Iterator[str]:
        return (article(bases, number) for number in itertools.count())

    return (write_dump if path.suffix == ".bz2" else write_parquet)(path, texts(), size)


def command(form: str, source: Path, work: Path, workers_options: Sequence[str]) -> list[str]:
    """The pipeline with one form of deduplication."""
    common = ["--params", str(work / "params.yaml"), "--tokenizer", str(work / "tokenizer"), "--output"]
    flags = ["--source", str(source), "--deduplicate", form, *common, str(work / "out"), *workers_options]
    return [sys.executable, "-m", "pipeline", *flags]


def found(source: Path, work: Path) -> str:
    """Say how many of the planted copies a run of the near form finds."""
    output = work / "out"
    shutil.rmtree(output, ignore_errors=True)
    process = subprocess.run(
        command("near", source, work, workers("in_memory", 1)), cwd=ROOT, check=True, capture_output=True, text=True
    )
    counts = json.loads(process.stdout.splitlines()[-1])
    articles = range(1, counts["articles"] + 1)  # the first has the number 0
    planted = {kind: {page_id for page_id in articles if (page_id - 1) % PERIOD == kind} for kind in (EXACT, NEAR)}
    lines = map(json.loads, (output / "articles" / "duplicates.jsonl").read_text().splitlines())
    copies = {copy["page_id"] for copy in lines}
    shutil.rmtree(output)
    exact, near = planted[EXACT], planted[NEAR]
    return (
        f"{len(exact & copies):,} of {len(exact):,} exact copies and {len(near & copies):,} of {len(near):,} near ones "
        f"found; {len(copies - exact - near):,} others left out of {len(articles):,} articles"
    )


def main() -> None:
    """The command `python -m benchmarks.deduplicate`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="what to make sources from: a dump of some megabytes")
    parser.add_argument("--vocabulary", default="gpt2", help="GPT-2's tokenizer: a folder, or its name on the hub")
    parser.add_argument("--work", type=Path, required=True, help="a new folder for all that is made, removed then")
    parser.add_argument("--bytes", type=float, default=1e8, help="of text, or of XML; 1e9 is a GB")
    parser.add_argument("--dump", action="store_true", help="a multistream dump instead of Parquet")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each form, by turns")
    args = parser.parse_args()
    work = args.work.absolute()
    work.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, work)
        (work / "params.yaml").write_text(PARAMS)
        made = [sys.executable, "-m", "pipeline.tokenizer", "--pretrained", args.vocabulary, "--source", args.source]
        tokenizer = ["--params", str(work / "params.yaml"), "--output", str(work / "tokenizer")]
        subprocess.run([*made, *tokenizer], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        bases = word_lists(args.source)
        ending = "-multistream.xml.bz2" if args.dump else ".parquet"
        source, tiny = work / f"text{ending}", work / f"tiny{ending}"
        size = make(bases, source, int(args.bytes))
        make(bases, tiny, TINY)
        print(found(tiny if size < TINY else source, work), flush=True)
        runs: dict[str, list[Cost]] = {form: [] for form in FORMS}
        starts: dict[str, list[Cost]] = {form: [] for form in FORMS}
        for _, form in itertools.product(range(args.repeat), FORMS):
            one = workers("in_memory", 1)
            starts[form].append(measured(command(form, tiny, work, one), work / "out"))
            runs[form].append(measured(command(form, source, work, one), work / "out"))
            print(f"{form}: {runs[form][-1].cpu:.1f} s of CPU, {starts[form][-1].cpu:.1f} to start", flush=True)
        show(size, runs, starts)


def show(size: int, runs: dict[str, list[Cost]], starts: dict[str, list[Cost]]) -> None:
    """Print a line for each form."""
    print(f"\n{size / 1e6:,.0f} MB, the best of {len(runs['none'])}")
    print(f"{'':8}{'CPU s':>8}{'start-up':>10}{'times none':>12}{'without start-up':>18}{'RSS MB':>8}")
    least = {form: min(cost.cpu for cost in runs[form]) for form in FORMS}
    start = {form: min(cost.cpu for cost in starts[form]) for form in FORMS}
    for form in FORMS:
        whole = least[form] / least["none"]
        rest = (least[form] - start[form]) / (least["none"] - start["none"])
        rss = max(cost.rss for cost in runs[form]) / 1e6
        print(f"{form:8}{least[form]:8.1f}{start[form]:10.1f}{whole:12.2f}{rest:18.2f}{rss:8.0f}")


if __name__ == "__main__":
    main()
