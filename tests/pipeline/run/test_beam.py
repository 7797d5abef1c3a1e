"""How a run works on this machine follows from its source, unless the user says how."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions

import pipeline.run.beam
from pipeline.run.beam import LARGE_PARQUET, MAX_THREADS, START_DUMP, START_PARQUET, beam_options, for_source, run_graph


def chosen(*arguments: str, wikitext: bool = True, units: int = 100, size: int = 10**12) -> tuple[str, int]:
    options = for_source(beam_options(arguments), wikitext, [size // max(1, units)] * units)
    direct = options.view_as(DirectOptions)
    return direct.direct_running_mode, direct.direct_num_workers


@pytest.fixture(params=[1, 2, 64])
def cores(request, monkeypatch) -> int:
    monkeypatch.setattr(pipeline.run.beam, "cores", lambda: request.param)
    return request.param


def test_wikitext_takes_a_process_and_plain_text_a_thread_for_each_core(cores):
    if cores == 1:
        assert chosen() == chosen(wikitext=False) == ("in_memory", 1)
    else:
        assert chosen() == ("multi_processing", cores)
        middle = LARGE_PARQUET - 100
        assert chosen(wikitext=False, size=middle) == ("multi_threading", min(cores, MAX_THREADS))
        mode = "multi_processing" if cores > MAX_THREADS else "multi_threading"
        assert chosen(wikitext=False) == (mode, cores)


@pytest.mark.parametrize(("wikitext", "start"), [(True, START_DUMP), (False, START_PARQUET)])
def test_workers_start_where_they_save_more_than_starting_takes(cores, wikitext, start):
    assert chosen(wikitext=wikitext, size=start - 100) == ("in_memory", 1)
    if cores > 1:
        even = start * cores // (cores - 1)
        assert chosen(wikitext=wikitext, size=even - 10_000) == ("in_memory", 1)
        assert chosen(wikitext=wikitext, size=even + 10_000)[0] != "in_memory"


@pytest.mark.parametrize("wikitext", [True, False])
def test_one_unit_starts_no_workers(cores, wikitext):
    assert chosen("--direct_num_workers=3", wikitext=wikitext, units=1) == ("in_memory", 1)
    assert chosen(wikitext=wikitext, units=1) == ("in_memory", 1)
    assert chosen(wikitext=wikitext, units=0) == ("in_memory", 1)


def test_no_more_workers_start_than_there_are_units(cores):
    assert chosen(units=3)[1] == min(cores, 3)


def test_what_the_user_says_holds(cores):
    assert chosen("--direct_running_mode=multi_threading", size=1) == ("multi_threading", cores)
    assert chosen("--direct_running_mode", "in_memory", "--direct_num_workers", "1") == ("in_memory", 1)
    assert chosen("--direct_num_workers=3") == ("multi_processing", 3)
    assert chosen("--direct_running_mode=multi_processing", "--direct_num_workers=5", size=1) == ("multi_processing", 5)


def test_another_runner_is_told_nothing_of_this_machine():
    options = for_source(beam_options(["--runner=FlinkRunner"]), True, [10**9] * 9)
    assert options.view_as(StandardOptions).runner == "FlinkRunner"
    told = options.get_all_options(drop_default=True)
    assert not [name for name in told if name.startswith("direct_")]


def interrupted(_):
    raise KeyboardInterrupt


def test_ctrl_c_in_the_middle_of_a_step_is_no_fault_of_the_run():
    options = beam_options(["--direct_running_mode=in_memory"])
    with pytest.raises(KeyboardInterrupt):
        run_graph(lambda graph: graph | beam.Create([1]) | beam.Map(interrupted), options)
