"""The tutorial runs from top to bottom on what `make repro` made, and is kept without what it shows then."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.environments import environment_above

BOOK = ROOT / "docs" / "tutorial.ipynb"
LOCK = ROOT / "requirements-notebook.lock"
RUN = """
import sys, nbclient, nbformat
book = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(book, timeout=900, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(book, sys.argv[1])
"""


def cells(book: Path) -> list[dict]:
    return json.loads(book.read_text(encoding="utf-8"))["cells"]


def shown(book: Path) -> str:
    """All that a notebook shows as text."""
    texts = []
    for cell in cells(book):
        for output in cell.get("outputs", []):
            texts.append("".join(output.get("text", []) or output.get("data", {}).get("text/plain", [])))
    return "\n".join(texts)


def executed(folder: Path, until: str | None = None, **environment: str) -> str:
    """What the tutorial shows, run in an environment with its own packages; `until` is the heading where it stops."""
    python = environment_above(folder / "environment", LOCK) / "python"
    book = json.loads(BOOK.read_text(encoding="utf-8"))
    if until is not None:
        ends = [n for n, cell in enumerate(book["cells"]) if "".join(cell["source"]).startswith(until)]
        book["cells"] = book["cells"][: ends[0]]
    copy = folder / "tutorial.ipynb"
    copy.write_text(json.dumps(book), encoding="utf-8")
    done = subprocess.run(
        [python, "-c", RUN, copy, ROOT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return shown(copy)


def test_it_is_kept_without_what_it_shows() -> None:
    assert [cell["id"] for cell in cells(BOOK) if cell.get("outputs") or cell.get("execution_count")] == []


def test_its_cells_have_names_of_their_own() -> None:
    names = [cell["id"] for cell in cells(BOOK)]
    assert len(set(names)) == len(names)


@pytest.mark.repro
def test_it_shows_a_word_in_the_blank_a_recitation_and_a_lost_continuation(tmp_path: Path) -> None:
    text = executed(tmp_path)
    assert "century" in text  # in the blank of a sentence from the corpus
    assert "16 of 16" in text
    share = re.search(r"^ *train +\d+ +([\d.]+) %", text, re.MULTILINE)
    assert share is not None
    assert float(share[1]) >= 95
    unseen = re.search(r"^ *validation +\d+ +([\d.]+) %", text, re.MULTILINE)
    assert unseen is not None
    assert float(unseen[1]) < 10
    assert re.search(r"^ +1 +\d+ +\d+ +0 +20 +\S.* https://", text, re.MULTILINE)  # row 20 of train, with its article


@pytest.mark.hub
def test_the_same_cells_show_what_bert_and_gpt2_say(hub: None, tmp_path: Path) -> None:
    text = executed(tmp_path, until="## 3.", MASKED="google-bert/bert-base-uncased", CAUSAL="openai-community/gpt2")
    for word, probability in (("box", 0.1764), ("bag", 0.1688), ("bowl", 0.0419), ("jar", 0.0336), ("cup", 0.0262)):
        found = re.search(rf"\b{word} +(0\.\d+)", text)
        assert found is not None
        assert float(found[1]) == pytest.approx(probability, abs=1e-4)
    assert "Swimming at the beach is a great way to get a little extra energy." in text
