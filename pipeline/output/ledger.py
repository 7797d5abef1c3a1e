"""Balance the counts of a whole run: no page, article or token goes unaccounted for."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from pipeline.output.remarks import NoRows
from pipeline.output.reports import DeadLetterRecord, UnitReport
from wikilm.errors import RunError
from wikilm.shards import Counts, LimitsEntry, imbalances


class Unbalanced(RunError):
    """Something went uncounted: what was made must not be used, nor resumed."""


def replay(source: str, limits: LimitsEntry, columns: Mapping[str, str] | None, letter: DeadLetterRecord) -> str:
    """Return the command that shows the page of a dead letter, and needs no params file for it."""
    which = f"--where {shlex.quote(letter.where)}" if letter.page_id is None else f"--page-id {letter.page_id}"
    flags = " ".join([*columns_flag(columns), *flags_of(limits)])
    return f"python -m pipeline.show --source {shlex.quote(source)} {flags} {which}"


def flags_of(limits: LimitsEntry) -> list[str]:
    """Return the flags that say how sources were cut and read, each with its value, for a shell; columns aside."""
    flags = [
        f"--unit-bytes {limits.unit_bytes}",
        f"--max-page-bytes {limits.max_page_bytes}",
        f"--max-page-seconds {limits.max_page_seconds}",
    ]
    if limits.namespaces is not None:
        flags.append(f"--namespaces {','.join(map(str, limits.namespaces))}")
    flags += [f"--templates {shlex.quote(f'{name}={known}')}" for name, known in (limits.templates or {}).items()]
    flags += ["--template-redirects"] if limits.template_redirects else []
    return flags + ([f"--formulas {limits.formulas}"] if limits.formulas is not None else [])


def columns_flag(columns: Mapping[str, str] | None) -> list[str]:
    """Return the flag that names the columns of one source, for a shell, where there are any; it stands behind it."""
    if columns is None:
        return []
    return [f"--columns {shlex.quote(','.join(f'{what}={name}' for what, name in columns.items()))}"]


def total(parts: Iterable[Counts]) -> Counts:
    """Add up the counts of several units; reasons in alphabetical order."""
    sums: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for part in parts:
        sums.update({name: value for name, value in part.model_dump().items() if name != "left_out"})
        reasons.update(part.left_out)
    numbers = {name: sums[name] for name in Counts.model_fields if name != "left_out"}
    return Counts(left_out={reason: reasons[reason] for reason in sorted(reasons)}, **numbers)


def by_wiki(reports: Sequence[UnitReport], wikis: int) -> list[Counts]:
    """Add up the counts of each wiki, by its number."""
    return [total(report.counts for report in reports if report.wiki == number) for number in range(wikis)]


def refuse(problems: Iterable[str]) -> None:
    """Refuse a ledger of which an equation does not hold (see `wikilm.shards.balance`).

    Raises:
        Unbalanced: names the first.
    """
    for problem in problems:
        raise Unbalanced(f"the ledger does not balance: {problem}; nothing was written, please report this")


def check(
    reports: Sequence[UnitReport],
    units: int,
    chunk_tokens: int,
    max_dead_fraction: float,
    command: Callable[[UnitReport, DeadLetterRecord], str],
) -> Counts:
    """Add up the counts of a whole run, and refuse them if they do not balance.

    Args:
        reports: what the units did, in any order.
        units: how many units there are.
        chunk_tokens: tokens per row.
        max_dead_fraction: the share of articles that may be dead letters.
        command: shows the page of a dead letter of a unit.

    Raises:
        Unbalanced: a sum does not balance.
        RunError: a unit's report is missing or there twice, or too many articles are dead.
        NoRows: all of them are.
    """
    if sorted(report.unit for report in reports) != list(range(units)):
        raise RunError(f"the ledger has reports of {len(reports)} units instead of one of each of {units}; run again")
    counts = total(report.counts for report in reports)
    shards = [shard for report in reports for shard in report.shards]
    refuse(imbalances(counts, chunk_tokens, shards))
    too_many = counts.dead_letters > max_dead_fraction * counts.articles
    if too_many or counts.dead_letters == counts.articles > 0:
        unit, first = next(
            (report, letter) for report in sorted(reports, key=lambda r: r.unit) for letter in report.dead_letters
        )
        raise (RunError if too_many else NoRows)(
            f"{counts.dead_letters} of {counts.articles} articles cannot be read, "
            f"{f'more than shards.max_dead_fraction = {max_dead_fraction} allows' if too_many else 'which is all'}; "
            f"the first is {first.title!r} (page {first.page_id}, {first.where}): "
            f"{first.error}; look at it with {command(unit, first)}"
        )
    return counts
