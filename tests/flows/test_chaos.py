"""`make chaos`, in short: it counts what came of killed runs and of flipped bits, and finds nothing that matters."""

import pytest

from tests.flows import chaos


def test_no_flipped_bit_goes_unnoticed(capsys):
    assert chaos.main(["--seed", "1", "--kills", "0", "--flips", "16"]) == 0
    assert "flipped bits that went unnoticed: 0 of 16" in capsys.readouterr().out


@pytest.mark.slow
def test_a_short_storm_changes_no_byte(capsys):
    assert chaos.main(["--seed", "1", "--kills", "2", "--flips", "16"]) == 0
    said = capsys.readouterr().out
    assert "the same command again gave the undisturbed bytes: 2 of 2" in said
    assert "flipped bits that went unnoticed: 0 of 16" in said
