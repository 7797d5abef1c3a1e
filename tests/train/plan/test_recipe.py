"""A run is known by all that changes it, and by nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.manifests import manifest
from tests.helpers.training import make_settings
from train.plan.recipe import TOLD_ONLY, Recipe
from train.runs import differences
from train.settings import OBJECTIVES, MaskedSettings, Objective


def test_whatever_changes_a_run_changes_its_fingerprint() -> None:
    runs = [
        Recipe("causal", make_settings("causal"), manifest()).fingerprint,
        Recipe("masked", make_settings("masked"), manifest()).fingerprint,
        Recipe("causal", make_settings("causal", seed=99), manifest()).fingerprint,
        Recipe("causal", make_settings("causal", learning_rate=0.5), manifest()).fingerprint,
        Recipe("causal", make_settings("causal"), manifest(rows=6)).fingerprint,
        Recipe("causal", make_settings("causal"), manifest(take=[5, 2])).fingerprint,
    ]
    assert len(set(runs)) == len(runs)
    assert Recipe("causal", make_settings("causal"), manifest()).fingerprint == runs[0]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_changes_no_number_changes_no_fingerprint(objective: Objective) -> None:
    told = {
        **{"log_every_steps": 77, "validate_every_steps": 77, "validation_rows": 7, "checkpoint_every_steps": 77},
        **{"sample_every_steps": 77, "sample_prompt": "[MASK]", "gradient_accumulation": 2},
    }
    before = Recipe(objective, make_settings(objective, dropout=0.0), manifest()).fingerprint
    assert Recipe(objective, make_settings(objective, dropout=0.0, **told), manifest()).fingerprint == before
    in_parts = [make_settings(objective, dropout=0.1, gradient_accumulation=parts) for parts in (1, 2)]
    assert len({Recipe(objective, settings, manifest()).fingerprint for settings in in_parts}) == 2


@pytest.mark.filterwarnings("ignore:Pydantic serializer")
@given(name=st.sampled_from(sorted(set(MaskedSettings.model_fields) - {*TOLD_ONLY, "init"})))
def test_every_other_setting_is_part_of_what_a_run_is(name: str) -> None:
    settings = make_settings("masked", dropout=0.1)
    changed = settings.model_copy(update={name: "another"})
    assert Recipe("masked", changed, manifest()).fingerprint != Recipe("masked", settings, manifest()).fingerprint
    assert [f"{name} {getattr(settings, name)} there, another here"] == differences(
        Recipe("masked", settings, manifest()).identity, Recipe("masked", changed, manifest()).identity
    )
