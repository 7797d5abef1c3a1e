"""Make a finished set of shards of the rows of all units, or nothing.

Rows and reports go in; files in a work folder, and at the end their final names, come out. This wing writes, by
`storage`.
"""

from pipeline.output.ledger import Unbalanced, check, replay, total
from pipeline.output.publish import FINAL, UNFINISHED, refuse_foreign, work_folder
from pipeline.output.remarks import NoRows
from pipeline.output.repeats import IDENTITY_COLUMNS, find_repeats, pages_name, read_repeats, stale, write_repeats
from pipeline.output.reports import (
    CHOSEN,
    ENCODED,
    REDIRECTS,
    REPEATS,
    REPORTS,
    DeadLetterRecord,
    UnitReport,
    ids_name,
    numbered,
    read_report,
    read_reports,
    unit_file,
    units_kept,
    write_report,
)
from pipeline.output.resume import begin, finished, forget, plan_record, unfinished
from pipeline.output.shard_file import ArrowFile, ShardFile, wiki_column

__all__ = [
    "CHOSEN",
    "ENCODED",
    "FINAL",
    "IDENTITY_COLUMNS",
    "REDIRECTS",
    "REPEATS",
    "REPORTS",
    "UNFINISHED",
    "ArrowFile",
    "DeadLetterRecord",
    "NoRows",
    "ShardFile",
    "Unbalanced",
    "UnitReport",
    "begin",
    "check",
    "find_repeats",
    "finished",
    "forget",
    "ids_name",
    "numbered",
    "pages_name",
    "plan_record",
    "read_repeats",
    "read_report",
    "read_reports",
    "refuse_foreign",
    "replay",
    "stale",
    "total",
    "unfinished",
    "unit_file",
    "units_kept",
    "wiki_column",
    "work_folder",
    "write_repeats",
    "write_report",
]
