"""Fill blanks by a causal model, which reads from the left: put words in and score the whole text.

Two readings are given: `left`, what the model would go on with, and `rescored`, which words make the whole text
likeliest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from probes.cloze.answer import Blank, Choice, Cloze, Reading
from probes.cloze.candidates import Filled, fill_given, fitting_entries, shown, tokens_of
from probes.cloze.scoring import Beginning, read_beginning, score_endings
from probes.model import LoadedModel
from probes.settings import MASK
from wikilm.errors import RunError

_WORK = 2**38  # multiplications for a blank where the number of candidates is left open: seconds on a few cores
_FEWEST = 200  # candidates, however large the model


@dataclass(frozen=True)
class _Compared:
    """The words that were compared, and what each makes of the text."""

    filled: list[Filled]
    given: list[bool]  # asked for by the caller: shown whatever their rank
    left: Tensor  # float32 [words]: log-probability of the word after what stands before it
    whole: Tensor  # float32 [words]: log-probability of the whole text
    fitting: int
    mass: float
    bound: float  # no word left out makes a text of a higher log-probability than this


def fill_causal(
    loaded: LoadedModel, text: str, parts: Sequence[str], top_k: int, candidates: int | None, words: Sequence[str]
) -> Cloze:
    """Fill the blanks between `parts` from left to right, each with the text up to the next as its right side.

    A blank takes the space before it with it, since tokens carry theirs. See `cloze.fill` for the rest.
    """
    done, found, places = parts[0], [], []
    lead: tuple[int, ...] = ()
    compared = 0
    for number, after in enumerate(parts[1:], start=2):
        right = after if number == len(parts) else after.rstrip(" ")
        entries = fitting_entries(loaded, done, right)
        given = fill_given(loaded, done, right, words)
        if not entries and not given:
            raise RunError(f"{loaded.name}: no token of its vocabulary fits the blank; give words with --word")
        if not lead and any(not filled.first for filled in (*entries, *given)):
            lead = (loaded.start_id,)  # nothing is before the blank, and without any token there is nothing to read
        ranking = _compare(loaded, lead, entries, given, candidates)
        found.append((_reading(loaded, "left", ranking, top_k), _reading(loaded, "rescored", ranking, top_k)))
        best = found[-1][-1].choices[0].word
        places.append((done, best))
        done, compared = done + best + after, len(ranking.filled)
    read = loaded.encode(done)
    ids = [*lead, *read.ids]
    tokens = [loaded.show(i) for i in ids]
    blanks = []
    for (before, word), readings in zip(places, found, strict=True):
        first, last = (len(lead) + at for at in tokens_of(read, before, word))
        tokens[first:last] = [MASK] * (last - first)
        blanks.append(Blank(first, readings))
    return Cloze(
        text=text,
        ids=tuple(ids),
        tokens=tuple(tokens),
        attention_mask=(1,) * len(ids),
        logits_shape=(compared, len(ids), loaded.output_size),
        blanks=tuple(blanks),
        filled=done,
    )


def _compare(
    loaded: LoadedModel, lead: tuple[int, ...], entries: list[Filled], given: list[Filled], candidates: int | None
) -> _Compared:
    """Score the given words and those entries whose first token is likeliest, as many as `candidates` allows."""
    known = {filled.ids for filled in given}
    filled = [*given, *(entry for entry in entries if entry.ids not in known)]
    loaded.check_length(len(lead) + max(len(one.ids) for one in filled), "--text")
    shared = _shared(filled)
    beginning = read_beginning(loaded, [*lead, *filled[0].ids[:shared]])
    endings = [one.ids[shared:] for one in filled]
    first = beginning.following[[ending[0] for ending in endings]]  # a whole text is no likelier than its beginning
    limit = candidates or _affordable(loaded, endings)
    order = first[len(given) :].sort(descending=True, stable=True).indices + len(given)
    taken, left_out = [*range(len(given)), *sorted(order[:limit].tolist())], order[limit:]
    scores = score_endings(loaded, beginning, [endings[n] for n in taken])
    chosen = [filled[n] for n in taken]
    return _Compared(
        filled=chosen,
        given=[n < len(given) for n in taken],
        left=_left(chosen, scores, shared),
        whole=torch.stack([score.sum() for score in scores]) + beginning.log_probability,
        fitting=len(filled),
        mass=_mass(beginning, endings, taken),
        bound=beginning.log_probability + (float(first[left_out].max()) if len(left_out) else float("-inf")),
    )


def _left(filled: list[Filled], scores: list[Tensor], shared: int) -> Tensor:
    """Log-probability of each word by what stands before it, float32 [words].

    A word that ends one begun before the blank may change the tokens of its beginning, too. Those are then no token's
    next, and the words share the probability among them.
    """
    left = torch.stack([score[: one.last - shared].sum() for score, one in zip(scores, filled, strict=True)])
    return left if all(one.first == shared for one in filled) else left.log_softmax(-1)


def _shared(filled: Sequence[Filled]) -> int:
    """How many tokens all texts begin with, none of them one of a word."""
    shared = min(one.first for one in filled)
    for one in filled:
        while one.ids[:shared] != filled[0].ids[:shared]:
            shared -= 1
    return shared


def _affordable(loaded: LoadedModel, endings: Sequence[Sequence[int]]) -> int:
    """How many words are compared where the caller leaves it open: all of them, unless the model is a large one.

    It depends on sizes alone, so that all machines compare the same words.
    """
    weights = sum(parameter.numel() for parameter in loaded.model.parameters())
    return max(_FEWEST, _WORK // (weights * max(map(len, endings))))


def _mass(beginning: Beginning, endings: Sequence[Sequence[int]], taken: Sequence[int]) -> float:
    """Probability of the tokens that the taken endings begin with, as a share of that of all endings."""
    probabilities = beginning.following.exp()
    of_taken, of_all = ({endings[n][0] for n in some} for some in (taken, range(len(endings))))
    taken_share, share = (float(probabilities[sorted(some)].sum()) for some in (of_taken, of_all))
    return 1.0 if of_taken == of_all else min(1.0, taken_share / share)


def _reading(loaded: LoadedModel, name: str, ranking: _Compared, top_k: int) -> Reading:
    scores = ranking.left if name == "left" else ranking.whole
    probabilities = scores.exp() if name == "left" else scores.softmax(-1)
    order = scores.sort(descending=True, stable=True).indices.tolist()
    choices = tuple(
        _choice(loaded, rank, ranking.filled[n], float(probabilities[n]), float(ranking.whole[n]))
        for rank, n in enumerate(order, start=1)
        if rank <= top_k or ranking.given[n]
    )
    return Reading(
        name=name,
        choices=choices,
        compared=len(ranking.filled),
        fitting=ranking.fitting,
        mass=ranking.mass,
        decided=len(ranking.filled) == ranking.fitting or float(ranking.whole.max()) >= ranking.bound,
    )


def _choice(loaded: LoadedModel, rank: int, filled: Filled, probability: float, text_log_probability: float) -> Choice:
    return Choice(
        rank=rank,
        id=filled.own[0],
        ids=filled.own,
        token=shown(loaded, filled),
        word=filled.word,
        probability=probability,
        text_log_probability=text_log_probability,
    )
