"""The benchmark for a GPU runs to its end on a CPU, at a tiny size and without packages that a bare machine lacks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.training import environment

LACKING = ("pydantic", "ruamel", "wcwidth", "pyarrow", "datasets", "dvc", "dvclive")
BARE = f"""
import sys
sys.modules.update(dict.fromkeys({LACKING!r}))  # so that an import of one fails
from benchmarks.train_gpu import main
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_the_benchmark_runs_on_a_bare_machine(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BARE, "--tiny", "--backend", "eager", "--turns", "1"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment(OUT=str(tmp_path)), check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "train_gpu.json").read_text())
    assert json.loads(done.stdout.splitlines()[-1]) == written
    assert len(written["rows"]) == 16
    assert not [row["missing"] for row in written["rows"] if "missing" in row]
    assert all(row["tokens_per_second"] > 0 for row in written["rows"])
    assert len(written["checks"]) == 6
    assert not [verdict for verdict in written["checks"].values() if not verdict.startswith(("ok", "not tried"))]
