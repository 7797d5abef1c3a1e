"""Measure how much of a text a causal model recites from its first tokens."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray

from probes.measuring import RowSample, Share, TokenIds, bootstrap, wilson
from probes.model import LoadedModel
from probes.output import quoted, table
from probes.records import Count, Fraction
from probes.settings import RecitationSettings
from wikilm.errors import UsageError
from wikilm.shards import SPLITS
from wikilm.terminal import visible


@dataclass(frozen=True)
class Recited:
    """How much of one split is reproduced after prefixes of one length."""

    split: str
    prefix: Count  # tokens given
    continuation: Count  # tokens to add
    rows: Count
    tokens: Share  # of all tokens to add, those equal to the text's; interval by bootstrap over rows
    whole: Share  # of all rows, those with every token equal; Wilson's interval


@dataclass(frozen=True)
class Span:
    """A piece of text that is, or is not, the same on both sides."""

    text: str
    equal: bool


@dataclass(frozen=True)
class Example:
    """One row side by side."""

    split: str
    prefix: str
    truth: tuple[Span, ...]
    model: tuple[Span, ...]
    equal_tokens: Count


@dataclass(frozen=True)
class RecitationResult:
    """What the command `recite` answers."""

    metrics: dict[str, Fraction]
    model: str
    prefix: int
    continuation: int
    splits: tuple[Recited, ...]
    by_prefix: tuple[Recited, ...]
    examples: tuple[Example, ...]


def check_lengths(loaded: LoadedModel, chunk_tokens: int, prefix: int, continuation: int) -> None:
    """Refuse a prefix and a continuation that do not fit together.

    Raises:
        UsageError: they are more than a row of `chunk_tokens`, or than the model has positions.
    """
    what = f"--prefix {prefix} and --continue {continuation}"
    if prefix + continuation > chunk_tokens:
        raise UsageError(f"{what}: more than the {chunk_tokens} tokens of a row; make one of them smaller")
    loaded.check_length(prefix + continuation, what)


def continue_greedily(loaded: LoadedModel, prefixes: TokenIds, tokens: int, batch_rows: int) -> TokenIds:
    """Add `tokens` ids to every row of `prefixes` (int64 [rows, prefix]), each the likeliest next one.

    End-of-text is an id like any other here: packed rows continue after it.

    Returns:
        int64 [rows, tokens].
    """
    parts = []
    with torch.inference_mode():
        for inputs in loaded.tensor(prefixes).split(batch_rows):
            cache, added = None, []
            rows, given = inputs.shape
            for step in range(tokens):
                # Said aloud: end of text is no padding here.
                seen = torch.ones(rows, given + step, dtype=torch.long, device=loaded.device)
                out = loaded.model(
                    input_ids=inputs, attention_mask=seen, past_key_values=cache, use_cache=True, logits_to_keep=1
                )
                cache, inputs = out.past_key_values, loaded.ranked(out.logits[:, -1]).argmax(-1, keepdim=True)
                added.append(inputs)
            parts.append(torch.cat(added, dim=1))
    return torch.cat(parts).cpu().numpy()


def score(split: str, truth: TokenIds, added: TokenIds, prefix: int, seed: int) -> Recited:
    """Compare what was added with the text, both int64 [rows, continuation]."""
    equal = (truth == added).sum(axis=1, dtype=np.int64)
    trials = np.full(len(truth), truth.shape[1], dtype=np.int64)
    whole = wilson(int((equal == truth.shape[1]).sum()), len(truth))
    return Recited(split, prefix, truth.shape[1], len(truth), bootstrap(equal, trials, seed), whole)


def recite(loaded: LoadedModel, sample: RowSample, settings: RecitationSettings) -> RecitationResult:
    """Measure recitation on both splits: at the prefix asked for, and by prefix length.

    Lengths of the curve that do not fit into a row together with the continuation are left out.

    Raises:
        UsageError: a model that is not causal, or a prefix and continuation that do not fit into a row or the model.
    """
    chunk_tokens = sample.manifest.chunk_tokens
    if loaded.kind != "causal":
        raise UsageError(f"{loaded.name}: a masked model does not recite; give a causal one")
    check_lengths(loaded, chunk_tokens, settings.prefix, settings.continuation)
    room = min(chunk_tokens, loaded.positions or chunk_tokens) - settings.continuation
    lengths = sorted({settings.prefix, *(n for n in settings.prefix_lengths if n <= room)})
    curve: list[Recited] = []
    examples: list[Example] = []
    for split in SPLITS:
        rows = sample.split(split)
        for prefix in lengths:
            truth = rows[:, prefix : prefix + settings.continuation]
            added = continue_greedily(loaded, rows[:, :prefix], settings.continuation, settings.batch_rows)
            curve.append(score(split, truth, added, prefix, settings.seed))
            if prefix == settings.prefix:
                examples += _examples(loaded, split, rows[:, :prefix], truth, added, settings)
    splits = tuple(point for point in curve if point.prefix == settings.prefix)
    metrics = {f"{point.split}_{what}": getattr(point, what).value for point in splits for what in ("tokens", "whole")}
    return RecitationResult(
        metrics, loaded.name, settings.prefix, settings.continuation, splits, tuple(curve), tuple(examples)
    )


def _examples(
    loaded: LoadedModel, split: str, prefixes: TokenIds, truth: TokenIds, added: TokenIds, settings: RecitationSettings
) -> list[Example]:
    """Choose a seeded handful of rows, in the order of the shards: not the best ones."""
    count = min(settings.examples, len(truth))
    drawn = np.random.default_rng([settings.seed, SPLITS.index(split), 1]).choice(len(truth), count, replace=False)
    found = []
    for row in np.sort(drawn):
        equal = truth[row] == added[row]
        sides = (spans(loaded, truth[row], equal), spans(loaded, added[row], equal))
        found.append(Example(split, _decode(loaded, prefixes[row]), *sides, int(equal.sum())))
    return found


def spans(loaded: LoadedModel, ids: NDArray[np.int64], equal: NDArray[np.bool_]) -> tuple[Span, ...]:
    """Return the text of `ids`, cut where equal and unequal tokens meet."""
    pairs = zip(ids.tolist(), equal.tolist(), strict=True)
    return tuple(
        Span(_decode(loaded, [i for i, _ in group]), same) for same, group in groupby(pairs, key=lambda pair: pair[1])
    )


def _decode(loaded: LoadedModel, ids: NDArray[np.int64] | list[int]) -> str:
    return str(loaded.tokenizer.decode(ids, clean_up_tokenization_spaces=False))


def curve_csv(result: RecitationResult) -> str:
    """Recitation by prefix length as CSV, a line for each length and columns for each split: what `dvc plots` draws."""
    parts = [(what, end) for what in ("tokens", "whole") for end in ("value", "low", "high")]
    names = [f"{split}_{what}" + ("" if end == "value" else f"_{end}") for split in SPLITS for what, end in parts]
    lines = [",".join(["prefix", *names])]
    points = {(point.split, point.prefix): point for point in result.by_prefix}
    for prefix in sorted({point.prefix for point in result.by_prefix}):
        shares = [getattr(getattr(points[split, prefix], what), end) for split in SPLITS for what, end in parts]
        lines.append(",".join([str(prefix), *(f"{share:.6g}" for share in shares)]))
    return "\n".join(lines) + "\n"


def describe(result: RecitationResult) -> str:
    """Lay out the recitation for people."""
    given = f"{result.prefix} tokens given, {result.continuation} added greedily; 95 % confidence intervals"
    header = ["split", "rows", "tokens reproduced", "whole continuations"]
    rows = [[p.split, str(p.rows), str(p.tokens), str(p.whole)] for p in result.splits]
    curve = [["split", "prefix", "tokens reproduced", "whole continuations"]]
    curve += [[p.split, str(p.prefix), str(p.tokens), str(p.whole)] for p in result.by_prefix]
    lines = [f"{visible(result.model)}: {given}", table([header, *rows]), "", "by prefix length:", table(curve)]
    for example in result.examples:
        lines += ["", f"{example.split}: {example.equal_tokens} of {result.continuation} tokens equal"]
        lines += [f"  given  {quoted(example.prefix)}"]
        for name, spans in (("text ", example.truth), ("model", example.model)):
            lines.append(f"  {name}  {quoted(''.join(span.text for span in spans))}")
    return "\n".join(lines) + "\n"
