"""The compiled path is taken where it pays and can be had; without it the text is the same, and a user is told why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

CLEAN = (
    "import sys\n{before}\n"
    "from pipeline.articles.site import Site\nfrom pipeline.prose.clean import clean_compiled\n"
    "for _ in range(2): print(clean_compiled(\"'''a''' [[b|c]] {{{{d}}}}&amp; x\", Site()))"
)
NO_FOLDER = "def fail(**options): raise RuntimeError('no locator')\nsys.modules['numba'] = type(sys)('numba')\n"
NO_FOLDER += "sys.modules['numba'].njit = fail"


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What came of some code in a process of its own, where numba is not yet loaded."""
    line, variables = [sys.executable, "-c", code], os.environ | environment
    return subprocess.run(line, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("before", "environment", "why"),
    [
        ("sys.modules['numba'] = None", {}, "numba cannot be imported"),
        (NO_FOLDER, {}, "NUMBA_CACHE_DIR"),
        ("", {"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT is set"),
    ],
)
def test_without_the_compiler_the_text_is_the_same_and_one_line_says_why_it_takes_longer(
    before: str, environment: dict[str, str], why: str
) -> None:
    done = python(CLEAN.format(before=before), **environment)
    assert done.stdout == "a c & x\n" * 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("note: text is cleaned several times more slowly: ")
    assert why in done.stderr


def test_only_a_large_source_makes_it_worth_a_line() -> None:
    code = "from pipeline.prose.fast_path import LARGE_SOURCE, prepare; prepare(True, LARGE_SOURCE{less})"
    assert python(code.format(less=" - 1"), NUMBA_DISABLE_JIT="1").stderr == ""
    assert python(code.format(less=""), NUMBA_DISABLE_JIT="1").stderr.count("\n") == 1


@pytest.mark.parametrize(
    "broken",
    [
        "sys.modules['pipeline.prose.compiled.cut'] = type(sys)('cut')",  # cannot be loaded
        "from pipeline.prose.compiled import tokens; del tokens.tokenize",  # cannot be called
    ],
)
def test_a_compiler_that_fails_is_no_fault_of_a_page(broken: str) -> None:
    code = "from pipeline.prose.fast_path import *\ntry: compiled()\nexcept CompilerError as error: print(error)"
    done = python(f"import sys\n{broken}\n{code}")
    assert done.stdout.startswith("numba cannot compile the cleaner of wikitext (AttributeError: "), done.stderr
    assert "NUMBA_DISABLE_JIT=1" in done.stdout


def test_a_full_disk_for_what_is_compiled_is_named_with_another_folder_as_the_way_out() -> None:
    code = (
        "import errno\nfrom pipeline.prose import fast_path\n"
        "try:\n    with fast_path._as_compiler_error(): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "except fast_path.CompilerError as error: print(error)"
    )
    done = python(code)
    assert "no space left on the device" in done.stdout, done.stderr
    assert "set NUMBA_CACHE_DIR to a folder with room, or set NUMBA_DISABLE_JIT=1" in done.stdout
    assert done.stdout.count("\n") == 1


def test_the_compiler_is_not_loaded_before_a_page_is_cleaned() -> None:
    code = "import sys, pipeline.__main__, pipeline.flow, pipeline.prose.clean; sys.exit('numba' in sys.modules)"
    assert python(code).returncode == 0


@pytest.mark.slow
def test_of_several_processes_one_compiles_and_says_so_while_the_others_wait_for_it(tmp_path: Path) -> None:
    code = (
        "from pipeline.articles.site import Site\nfrom pipeline.prose.clean import clean_compiled\n"
        "from pipeline.prose.compiled import tokens\n"
        "print(clean_compiled('a', Site()), sum(tokens.tokenize.stats.cache_misses.values()))"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    started = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [process.communicate() for process in started]
    assert sorted(out for out, _ in ended) == ["a 0\n", "a 0\n", "a 1\n"]
    told = [said for _, said in ended]  # one that started late may find the work done, and says nothing
    assert any("compiling the cleaner of wikitext, once on this machine" in said for said in told)
    assert not any("Traceback" in said for said in told)
    later = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert (later.stdout, later.stderr) == ("a 0\n", "")


def test_a_small_source_is_cleaned_without_the_compiler_and_a_large_one_with_it() -> None:
    code = (
        "import sys\nfrom pipeline.prose import fast_path\nfrom pipeline.prose.clean import clean\n"
        "from tests.pipeline.prose.compiled.test_page import ROOT, articles\n"
        "site, texts = articles(ROOT / 'corpus' / 'miniwiki-pages-articles-multistream.xml.bz2')\n"
        "before = [clean(text, site) for text in texts]\n"
        "assert 'numba' not in sys.modules\n"
        "fast_path.LOAD_AFTER = fast_path.COMPILE_AFTER = sum(map(len, texts)) * 3 // 2\n"
        "assert [clean(text, site) for text in texts] == before\n"
        "assert 'pipeline.prose.compiled.page' in sys.modules\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_what_is_compiled_ahead_is_all_that_any_page_needs() -> None:
    code = (
        "from pipeline.prose.clean import clean_compiled\nfrom pipeline.prose.fast_path import compiled\n"
        "from tests.pipeline.prose.compiled.test_page import ROOT, articles\n"
        "page = compiled()\n"
        "steps = [f for m in page.MODULES for f in vars(m).values() if hasattr(f, 'signatures') and f.signatures]\n"
        "before = [len(f.signatures) for f in steps]\n"
        "site, texts = articles(ROOT / 'corpus' / 'miniwiki-pages-articles-multistream.xml.bz2')\n"
        "for text in texts: clean_compiled(text, site)\n"
        "assert len(steps) >= 6 and [len(f.signatures) for f in steps] == before\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
