"""Sum the traces of several texts up, and lay them out for people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from probes.output import counted, quoted, table
from probes.records import Count, Fraction
from probes.trace.runs import Novelty
from probes.trace.tracing import Place, Run, Trace
from wikilm.terminal import visible

KINDS = ("text", "generation", "recitation_train", "recitation_validation")
METRIC_NGRAM = 4  # tokens of the n-grams whose novelty is a metric: two or three words, few of which recur by chance


@dataclass(frozen=True)
class TracedText:
    """A text and where it comes from."""

    kind: str  # one of KINDS
    trace: Trace


@dataclass(frozen=True)
class Summary:
    """All texts of a kind together; what was given is not counted."""

    kind: str
    texts: Count
    tokens: Count
    traced_tokens: Count  # in runs that stand in training rows
    traced: Fraction
    longest_run: Count  # tokens, given ones included
    novelty: tuple[Novelty, ...]


@dataclass(frozen=True)
class TraceResult:
    """What the command `trace` answers."""

    metrics: dict[str, Fraction]
    model: str
    min_tokens: int  # of a run
    summaries: tuple[Summary, ...]
    validation_novelty: tuple[Novelty, ...]  # the yardstick: rows that no training row was copied from
    texts: tuple[TracedText, ...]


def result_of(
    model: str, min_tokens: int, texts: Sequence[TracedText], validation_novelty: tuple[Novelty, ...]
) -> TraceResult:
    """Sum up the traced texts, kind by kind."""
    summaries = tuple(
        _summary(kind, some) for kind in KINDS if (some := [text.trace for text in texts if text.kind == kind])
    )
    metrics = {f"{summary.kind}_traced": summary.traced for summary in summaries}
    of_all = [(summary.kind, summary.novelty) for summary in summaries] + [("validation", validation_novelty)]
    metrics |= {f"{kind}_new": one.share for kind, found in of_all for one in found if one.n == METRIC_NGRAM}
    return TraceResult(metrics, model, min_tokens, summaries, validation_novelty, tuple(texts))


def _summary(kind: str, traces: Sequence[Trace]) -> Summary:
    tokens = sum(trace.tokens - trace.given for trace in traces)
    traced = sum(trace.traced_tokens for trace in traces)
    longest = max((run.tokens[1] - run.tokens[0] for trace in traces for run in trace.runs), default=0)
    together = _together([trace.novelty for trace in traces])
    return Summary(kind, len(traces), tokens, traced, traced / tokens if tokens else 0.0, longest, together)


def _together(found: Sequence[tuple[Novelty, ...]]) -> tuple[Novelty, ...]:
    counts: dict[int, tuple[int, int]] = {}
    for one in (one for some in found for one in some):
        ngrams, new = counts.get(one.n, (0, 0))
        counts[one.n] = ngrams + one.ngrams, new + one.new
    return tuple(Novelty(n, ngrams, new, new / ngrams) for n, (ngrams, new) in sorted(counts.items()))


def describe(result: TraceResult) -> str:
    """Lay out the traces for people."""
    return "\n".join(line for text in result.texts for line in _text_lines(result, text)) + "\n" + _sums(result)


def marked(trace: Trace) -> str:
    """Return the text with its runs in numbered brackets, as in `[1 the sea is salt 1]`, safe for a terminal.

    Runs may overlap, so that each bracket has the number of its run. ‖ stands where what was given ends.
    """
    marks = [(run.characters[0], 1, number, f"[{number} ") for number, run in enumerate(trace.runs, 1)]
    marks += [(run.characters[1], 0, number, f" {number}]") for number, run in enumerate(trace.runs, 1)]
    if trace.given:
        marks.append((trace.given_characters, 0, 0, "‖"))
    parts, at = [], 0
    for place, _, _, mark in sorted(marks):
        parts += [visible(trace.text[at:place], keep="\n"), mark]
        at = place
    return "".join(parts) + visible(trace.text[at:], keep="\n")


def _text_lines(result: TraceResult, text: TracedText) -> Iterator[str]:
    trace = text.trace
    chosen = trace.tokens - trace.given
    split = text.kind.removeprefix("recitation_")
    kind = {"text": "text", "generation": "generated"}.get(text.kind, f"recited after the start of a {split} row")
    yield f"{kind}: {counted(chosen, 'token')}" + (f" after {trace.given} given" if trace.given else "")
    yield "  " + marked(trace).replace("\n", "\n  ")
    yield ""
    if trace.runs:
        rows: list[tuple[str, ...]] = [("run", "tokens", "train", "validation", "row", "article", "address")]
        rows += [line for number, run in enumerate(trace.runs, 1) for line in _run_lines(str(number), run)]
        yield table(rows)
    else:
        yield f"  no run of {result.min_tokens} tokens or more stands in a training row"
    for run in trace.validation_runs:
        where = "; ".join(f"row {place.row}, {_titles(place)}" for place in run.places if place.split == "validation")
        yield f"  in validation rows alone: {quoted(run.text)} ({where})"
    yield ""


def _run_lines(number: str, run: Run) -> Iterator[tuple[str, ...]]:
    length = str(run.tokens[1] - run.tokens[0])
    told = (number, length, str(run.train), str(run.validation))
    for place in run.places:
        row = f"{place.row}" if place.split == "train" else f"{place.split} {place.row}"
        address = " ".join(article.url or "unknown" for article in place.articles)
        yield (*told, row, _titles(place), address)
        told = ("", "", "", "")


def _titles(place: Place) -> str:
    return " | ".join(visible(article.title) or "no title" for article in place.articles)


def _sums(result: TraceResult) -> str:
    """Lay out the novelty by n, a line for each kind of text."""
    most = max((one.n for summary in result.summaries for one in summary.novelty), default=0)
    rows = [["", "tokens", "in runs", *(f"n={n}" for n in range(1, most + 1))]]
    for summary in result.summaries:
        tokens, runs = str(summary.tokens), f"{100 * summary.traced:.1f} %"
        rows.append([summary.kind.replace("_", ", "), tokens, runs, *_shares(summary.novelty, most)])
    rows.append(["rows of validation", "", "", *_shares(result.validation_novelty, most)])
    heading = f"in runs of {result.min_tokens} tokens or more, and n-grams that stand in no training row:"
    return f"{heading}\n{table(rows)}\n"


def _shares(found: tuple[Novelty, ...], most: int) -> list[str]:
    shares = {one.n: f"{100 * one.share:.0f} %" for one in found}
    return [shares.get(n, "") for n in range(1, most + 1)]
