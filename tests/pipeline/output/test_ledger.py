"""A ledger balances or fails the run, and each dead letter has the command that shows its page."""

import shlex

import pytest

from pipeline.output.ledger import check, replay, total
from pipeline.output.remarks import NoRows
from pipeline.output.reports import DeadLetterRecord, UnitReport
from tests.helpers.manifests import BALANCED, shard
from wikilm.errors import RunError
from wikilm.shards.manifest import Counts, FileEntry, LimitsEntry

PAGES = FileEntry(path="pages/00000.arrow", bytes=0, sha256="0" * 64)


def report(unit: int = 0, **changed: object) -> UnitReport:
    letter = DeadLetterRecord(page_id=7, title="Broken", where="dump.bz2, byte 12", error="no revision")
    shards = [shard("train", unit, 8), shard("validation", unit, 2)]
    return UnitReport(
        unit=unit,
        counts=Counts(**{**BALANCED, **changed}),
        shards=shards,
        articles=[],
        pages=PAGES,
        dead_letters=[letter],
    )


def test_a_ledger_that_balances_is_the_sum_of_its_units():
    counts = check([report(1), report(0)], 2, 8, 0.5, str)
    assert counts == total([Counts(**BALANCED), Counts(**BALANCED)])
    assert counts.tokens == 180
    assert counts.left_out == {"empty_text": 2, "namespace:1": 4, "not_taken": 4}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"pages": 13}, "pages"),
        ({"redirects": 2}, "pages"),
        ({"train_articles": 5}, "articles"),
        ({"tokens": 91}, "tokens"),
        ({"tail_tokens": 9}, "tokens"),
        ({"train_chunks": 9, "tokens": 98}, "train_chunks"),
        ({"validation_chunks": 1, "tail_tokens": 18}, "validation_chunks"),
    ],
)
def test_anything_unaccounted_for_fails_the_run_and_is_named(changed, named):
    with pytest.raises(RunError, match=f"does not balance: {named} = "):
        check([report(**changed)], 1, 8, 1.0, str)


@pytest.mark.parametrize("page_id", [7, None])
@pytest.mark.parametrize("source", ["dump.bz2", "my dump's $(rm).bz2"])
def test_the_command_that_shows_a_dead_letter_survives_the_shell(page_id, source):
    letter = DeadLetterRecord(page_id=page_id, title="'; rm", where=f"{source}, byte 12", error="no revision")
    which = ["--page-id", "7"] if page_id else ["--where", letter.where]
    limits = LimitsEntry(unit_bytes=9, max_page_bytes=5000, max_page_seconds=2.5)
    columns = {"id": "the id", "text": "'$(rm)"}
    assert shlex.split(replay(source, limits, columns, letter)) == [
        *["python", "-m", "pipeline.show", "--source", source, "--columns", "id=the id,text='$(rm)"],
        *["--unit-bytes", "9", "--max-page-bytes", "5000", "--max-page-seconds", "2.5", *which],
    ]


def test_a_unit_without_report_or_with_two_fails_the_run():
    for reports in ([report(0)], [report(0), report(0)], [report(0), report(1), report(2)]):
        with pytest.raises(RunError, match="one of each of 2"):
            check(reports, 2, 8, 1.0, str)


def test_too_many_dead_letters_fail_the_run_and_the_first_is_told():
    with pytest.raises(
        RunError, match=r"1 of 9 articles.*max_dead_fraction = 0\.1 .*'Broken' \(page 7, dump.*no revision"
    ):
        check([report()], 1, 8, 0.1, lambda unit, letter: f"{unit.unit} {letter}")
    assert check([report()], 1, 8, 0.2, lambda unit, letter: "").dead_letters == 1


def test_where_all_articles_are_dead_letters_the_first_is_told_whatever_is_allowed():
    none = {"train_articles": 0, "validation_articles": 0, "train_chunks": 0, "validation_chunks": 0}
    none |= {"tokens": 0, "tail_tokens": 0, "text_bytes": 0, "left_out": {}, "dead_letters": 1, "articles": 1}
    with pytest.raises(NoRows, match="1 of 1 articles cannot be read, which is all; the first is 'Broken'"):
        check([report(**none, redirects=0, pages=1).model_copy(update={"shards": []})], 1, 8, 1.0, lambda *_: "")
