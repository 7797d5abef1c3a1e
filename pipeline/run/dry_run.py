"""Say what a job would read, make and resume, without reading an article or writing anything."""

from statistics import median
from typing import Any

from pipeline.output import plan_record, refuse_foreign, unfinished
from pipeline.run.job import Job
from pipeline.source import open_mixture
from pipeline.tokens import TOKENIZERS, Encoder
from pipeline.unit import cleaners_of
from wikilm.shards.format import SPLITS
from wikilm.terminal import visible


def dry_run(job: Job) -> dict[str, Any]:
    """Plan a job, as JSON. The source's bytes are not hashed, so it has no checksum.

    Raises:
        UsageError, RunError: as `run.make_shards`, as far as that can be seen now.
    """
    refuse_foreign(job.output)
    mixture = open_mixture(job.source, hashed=False)
    cleaners_of(mixture)  # for its complaints
    tokenizer = Encoder(job.tokenizer, TOKENIZERS).entry
    record = plan_record(mixture, job.source, job.split, job.shards, tokenizer)
    done, same = unfinished(job.output, record)
    sizes = [unit.bytes for unit in mixture.units]
    entry = record["source"]
    parts = [part | {"source": _bare(part["source"])} for part in record.get("mixture", ())]
    return {
        "dry_run": True,
        "source": _bare(entry),
        **({"mixture": parts} if parts else {}),
        "unit_bytes": {"smallest": min(sizes), "median": int(median(sizes)), "largest": max(sizes)} if sizes else None,
        "passes": 1 if job.split.take is None else 2,
        "shards": {name: len(sizes) for name in SPLITS},
        "tokenizer": record["tokenizer"],
        "unfinished": {"units": done, "goes_on": same} if done else None,
    }


def _bare(entry: dict[str, Any]) -> dict[str, Any]:
    return _known(entry) | {"files": [_known(file) for file in entry["files"]]}


def _known(entry: dict[str, Any]) -> dict[str, Any]:
    """Leave out the checksum that nobody has made."""
    return {key: value for key, value in entry.items() if value != ""}


def as_text(plan: dict[str, Any]) -> str:
    """Lay out the plan for people."""
    source, sizes = plan["source"], plan["unit_bytes"]
    passes = " (read twice, since only some articles are taken)" if plan["passes"] == 2 else ""
    lines = [
        f"source  {source['name']} ({source['kind']}), {source['bytes']:,} bytes{passes}",
        f"units   {source['units']:,}",
        f"shards  {', '.join(f'{number:,} {name}' for name, number in plan['shards'].items())}",
    ]
    lines += [
        f"        {visible(part['source']['name'])}: {part['source']['units']:,} units, a share of {part['share']:g}"
        for part in plan.get("mixture", ())
    ]
    if sizes:
        span = f"{sizes['smallest']:,} to {sizes['largest']:,} stored bytes, the median {sizes['median']:,}"
        lines[1] += f" of {span if source['units'] > 1 else format(sizes['largest'], ',') + ' stored bytes'}"
    if plan["unfinished"]:
        what = "are resumed, if the source is the same" if plan["unfinished"]["goes_on"] else "are removed"
        lines.append(f"resume  {plan['unfinished']['units']:,} units that an earlier run did {what}")
    return "\n".join(lines)
