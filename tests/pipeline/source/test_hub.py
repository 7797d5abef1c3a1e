"""A revision of a dataset of the hub is pinned to its commit, or the address refused in one line."""

import json
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from tests.helpers.hub_server import COMMIT, hub_environment, hub_server

NAME = "datasets/wikimedia/wikipedia"
PIN = """
import json, sys
from pipeline.source.hub import pin
from wikilm.errors import RunError, UsageError
for url in json.load(sys.stdin):
    try:
        answer = [0, pin(url)]
    except (UsageError, RunError) as error:
        answer = [2 if isinstance(error, UsageError) else 1, str(error)]
    print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory):
    """How to pin addresses in a process that asks our hub; gives (exit status, pinned address or reason) for each."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "data" / "20231101.en").mkdir(parents=True)
    (folder / "data" / "20231101.en" / "train.parquet").touch()

    def ask(urls: list[str], address: str | None = None) -> list[tuple[int, str]]:
        with hub_server({NAME: folder / "data"}) as (served, _):
            done = subprocess.run(
                [sys.executable, "-c", PIN], input=json.dumps(urls), cwd=ROOT, capture_output=True, text=True,
                env=os.environ | hub_environment(address or served, folder / "home"), check=True,
            )  # fmt: skip
        return [tuple(json.loads(line)) for line in done.stdout.splitlines()]

    return ask


def test_a_revision_becomes_its_commit_and_a_commit_stays(pinned) -> None:
    urls = [f"hf://{NAME}{at}/20231101.en" for at in ("", "@main", "@v1", f"@{COMMIT}")]
    assert pinned(urls) == [(0, f"hf://{NAME}@{COMMIT}/20231101.en")] * 4
    assert pinned([f"hf://{NAME}/20231101.en/train.parquet", f"hf://{NAME}"]) == [
        (0, f"hf://{NAME}@{COMMIT}/20231101.en/train.parquet"),
        (0, f"hf://{NAME}@{COMMIT}"),
    ]


def test_what_cannot_be_pinned_is_refused_in_one_line_that_names_the_address(pinned) -> None:
    wrong = {
        f"hf://{NAME}@none/a": (1, "no such revision"),
        "hf://datasets/wikimedia/none/a": (1, "no such dataset"),
        "hf://gpt2/a": (2, "is no dataset of the hub"),
        "hf://datasets/": (2, "is no address of the hub"),
    }
    for (url, (status, said)), (got, line) in zip(wrong.items(), pinned(list(wrong)), strict=True):
        assert (got, url in line, said in line, "\n" in line) == (status, True, True, False), line


def test_a_hub_that_does_not_answer_is_named_with_the_setting(pinned) -> None:
    [(status, line)] = pinned([f"hf://{NAME}/20231101.en"], address="http://127.0.0.1:9")
    assert status == 1
    assert "the hub cannot be asked" in line
    assert "HF_ENDPOINT" in line
