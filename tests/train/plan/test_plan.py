"""A run is known by all that changes it, and no output is replaced that is not a model of ours."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.manifests import manifest
from tests.helpers.training import make_settings
from train.plan.plan import TOLD_ONLY, identity, refuse_foreign, run_fingerprint
from train.runs import differences
from train.settings import OBJECTIVES, MaskedSettings, Objective
from wikilm.errors import UsageError


def test_whatever_changes_a_run_changes_its_fingerprint() -> None:
    runs = [
        run_fingerprint("causal", make_settings("causal"), manifest()),
        run_fingerprint("masked", make_settings("masked"), manifest()),
        run_fingerprint("causal", make_settings("causal", seed=99), manifest()),
        run_fingerprint("causal", make_settings("causal", learning_rate=0.5), manifest()),
        run_fingerprint("causal", make_settings("causal"), manifest(rows=6)),
        run_fingerprint("causal", make_settings("causal"), manifest(take=[5, 2])),
    ]
    assert len(set(runs)) == len(runs)
    assert run_fingerprint("causal", make_settings("causal"), manifest()) == runs[0]


def test_what_is_free_empty_or_a_model_of_ours_may_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "training.json").touch()
    for name in ("free", "empty", "ours"):
        refuse_foreign(tmp_path / name)


@pytest.mark.parametrize("kind", ["a file", "a folder", "a link to nothing", "a link to a model of ours"])
def test_anything_else_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    output = tmp_path / "output"
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "training.json").touch()
    if kind == "a file":
        output.touch()
    elif kind == "a folder":
        output.mkdir()
        (output / "thesis.txt").touch()
    else:
        output.symlink_to(tmp_path / ("ours" if "model" in kind else "nothing"))
    with pytest.raises(UsageError, match=f"{output}: holds something that is no model of ours"):
        refuse_foreign(output)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_changes_no_number_changes_no_fingerprint(objective: Objective) -> None:
    told = {
        **{"log_every_steps": 77, "validate_every_steps": 77, "validation_rows": 7, "checkpoint_every_steps": 77},
        **{"sample_every_steps": 77, "sample_prompt": "[MASK]", "gradient_accumulation": 2},
    }
    before = run_fingerprint(objective, make_settings(objective, dropout=0.0), manifest())
    assert run_fingerprint(objective, make_settings(objective, dropout=0.0, **told), manifest()) == before
    in_parts = [make_settings(objective, dropout=0.1, gradient_accumulation=parts) for parts in (1, 2)]
    assert len({run_fingerprint(objective, settings, manifest()) for settings in in_parts}) == 2


@pytest.mark.filterwarnings("ignore:Pydantic serializer")
@given(name=st.sampled_from(sorted(set(MaskedSettings.model_fields) - {*TOLD_ONLY, "init"})))
def test_every_other_setting_is_part_of_what_a_run_is(name: str) -> None:
    settings = make_settings("masked", dropout=0.1)
    changed = settings.model_copy(update={name: "another"})
    assert run_fingerprint("masked", changed, manifest()) != run_fingerprint("masked", settings, manifest())
    assert [f"{name} {getattr(settings, name)} there, another here"] == differences(
        identity("masked", settings, manifest()), identity("masked", changed, manifest())
    )
