"""The plots: the same bytes for the same points, in the page's colors, without style, date or markup from a name."""

from dataclasses import replace

from probes.report.plots import loss_curves, recitation_by_prefix
from probes.report.story import At, ByPrefix, Learning, Measured, Moment, Recital

LEARNING = Learning(
    model="causal",
    steps=100,
    epochs=2.0,
    train=(At(1, 3.0), At(100, 1.0)),
    validation=(At(1, 3.0), At(50, 2.5), At(100, 4.0)),
    blind=8.3,
    by_frequency=6.8,
    last_train=1.0,
    last_validation=4.0,
    lowest=At(50, 2.5),
    moments=(Moment(50, True, False, None, None, (), "", "", ()),),
)
SHARES = [
    ByPrefix(prefix, Measured("recited", "causal", split, 0.5, 0.4, 0.6, 8))
    for split in ("train", "validation")
    for prefix in (1, 4)
]
RECITAL = Recital(4, 4, (), tuple(SHARES), None, ())


def test_plots_follow_the_theme_and_carry_neither_date_nor_style():
    svg = loss_curves(LEARNING)
    assert svg == loss_curves(LEARNING)
    for expected in ("var(--train)", "var(--validation)", "blind guess", "by frequency", 'id="causal-at-50"'):
        assert expected in svg
    for refused in ("metadata", "<style", " style=", "#0101"):
        assert refused not in svg
    assert loss_curves(replace(LEARNING, train=(), validation=(), moments=())).startswith(
        '<svg class="plot" role="img"'
    )


def test_the_turn_to_learning_by_heart_is_marked_where_there_is_one():
    assert "by heart from here" in loss_curves(LEARNING)
    assert "by heart from here" not in loss_curves(replace(LEARNING, last_validation=2.5, lowest=At(100, 2.5)))


def test_a_plot_says_in_words_what_it_shows():
    assert "is lowest, 2.50, at step 50, and ends at 4.00" in loss_curves(LEARNING)
    assert "unseen text: 50 % after 1, 50 % after 4" in recitation_by_prefix(RECITAL)


def test_no_point_of_the_recitation_is_left_out_of_its_plot():
    assert recitation_by_prefix(RECITAL) != recitation_by_prefix(replace(RECITAL, curve=RECITAL.curve[:-1]))
