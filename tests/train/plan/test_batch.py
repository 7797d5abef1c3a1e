"""Every row has its turn, for any number of processes, with masks as BERT has them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.plan.batch import IGNORED, Masking, Order, causal_batch, filled_up, mix, share

MASKING = Masking(fraction=0.3, seed=3, vocab_size=400, mask_id=399, end_of_text_id=398)
counts = st.integers(1, 40)


@given(rows=counts, batch_size=counts, epochs=st.integers(1, 4), seed=st.integers(0, 2**63 - 1))
def test_every_epoch_holds_every_row_once(rows: int, batch_size: int, epochs: int, seed: int) -> None:
    order = Order(rows, batch_size, seed)
    stream = [order.rows_of_step(step) for step in range(1, order.step_count(epochs) + 1)]
    seen_epochs = np.concatenate([e for e, _ in stream])
    seen_rows = np.concatenate([i for _, i in stream])
    for epoch in range(epochs):
        assert sorted(seen_rows[seen_epochs == epoch]) == list(range(rows))
    assert 0 <= len(seen_rows) - epochs * rows < batch_size


@given(step=st.integers(1, 10**6), seed=st.integers(0, 2**63 - 1))
def test_a_step_is_the_same_whatever_was_asked_before(step: int, seed: int) -> None:
    fresh, used = Order(50, 8, seed), Order(50, 8, seed)
    used.rows_of_step(1)
    used.rows_of_step(step + 1)
    for ours, theirs in zip(fresh.rows_of_step(step), used.rows_of_step(step), strict=True):
        assert (ours == theirs).all()


def test_epochs_and_seeds_are_shuffled_differently() -> None:
    first, second = (Order(64, 64, 0).rows_of_step(step)[1].tolist() for step in (1, 2))
    assert first != second != list(range(64))
    assert Order(64, 64, 1).rows_of_step(1)[1].tolist() != first


@given(size=st.integers(1, 64), processes=st.integers(1, 8), parts=st.integers(1, 4))
def test_processes_share_a_batch_without_loss_or_overlap(size: int, processes: int, parts: int) -> None:
    batch = np.arange(size)
    shares = [share(batch, process, processes, parts) for process in range(processes)]
    assert all(len(cut) == parts for cut in shares)
    assert np.concatenate([part for cut in shares for part in cut]).tolist() == batch.tolist()
    sizes = [len(part) for cut in shares for part in cut]
    assert max(sizes) - min(sizes) <= 1


def test_a_causal_batch_asks_for_the_next_token_everywhere() -> None:
    rows = np.arange(12).reshape(3, 4)
    batch = causal_batch(rows)
    assert (batch.input_ids.reshape(-1)[batch.positions] + 1 == batch.targets).all()
    assert batch.targets.tolist() == [1, 2, 3, 5, 6, 7, 9, 10, 11]


def some_rows(seed: int, rows: int = 8, tokens: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 399, (rows, tokens))


@given(seed=st.integers(0, 1000), epoch=st.integers(0, 2**31), cut=st.integers(1, 7))
@settings(max_examples=30)
def test_masks_do_not_depend_on_how_a_batch_is_shared_out(seed: int, epoch: int, cut: int) -> None:
    rows, indices = some_rows(seed), np.arange(8) * 5
    epochs = np.full(8, epoch)
    whole = MASKING.batch(rows, epochs, indices)
    parts = [MASKING.batch(rows[p], epochs[p], indices[p]) for p in (slice(0, cut), slice(cut, 8))]
    assert (np.concatenate([part.input_ids for part in parts]) == whole.input_ids).all()
    assert (np.concatenate([part.targets for part in parts]) == whole.targets).all()


@given(seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_only_chosen_places_change_and_end_of_text_is_never_chosen(seed: int) -> None:
    rows = some_rows(seed)
    batch = MASKING.batch(rows, np.zeros(8, dtype=np.int64), np.arange(8))
    chosen = np.zeros(rows.size, dtype=bool)
    chosen[batch.positions] = True
    assert (batch.input_ids.reshape(-1)[~chosen] == rows.reshape(-1)[~chosen]).all()
    assert (batch.targets == rows.reshape(-1)[batch.positions]).all()
    assert MASKING.end_of_text_id not in batch.targets
    assert batch.input_ids.max() < MASKING.vocab_size


def test_of_the_chosen_80_percent_are_masked_10_replaced_and_10_kept() -> None:
    rows = some_rows(0, 400, 128) % 398
    batch = MASKING.batch(rows, np.zeros(400, dtype=np.int64), np.arange(400))
    given_ids = batch.input_ids.reshape(-1)[batch.positions]
    masked, kept = given_ids == MASKING.mask_id, given_ids == batch.targets
    assert len(batch.positions) / rows.size == pytest.approx(0.3, abs=0.01)
    assert masked.mean() == pytest.approx(0.8, abs=0.01)
    assert kept.mean() == pytest.approx(0.1, abs=0.01)


def test_each_epoch_row_and_seed_has_masks_of_its_own() -> None:
    row = some_rows(0, 1).repeat(2, axis=0)
    zero, one = np.array([0, 0]), np.array([0, 1])
    by_row = MASKING.batch(row, zero, one)
    assert set(by_row.positions[by_row.positions < 64]) != {place - 64 for place in by_row.positions if place >= 64}
    assert MASKING.batch(row, one, zero).positions.tolist() != MASKING.batch(row, zero, zero).positions.tolist()
    other = Masking(0.3, 4, 400, 399, 398)
    assert other.batch(row, zero, zero).positions.tolist() != MASKING.batch(row, zero, zero).positions.tolist()


def test_mixed_bits_are_even_and_do_not_collide() -> None:
    mixed = mix(np.uint64(7), np.arange(100_000))
    assert len(np.unique(mixed)) == 100_000
    ones = sum(((mixed >> np.uint64(bit)) & np.uint64(1)).mean() for bit in range(64)) / 64
    assert ones == pytest.approx(0.5, abs=0.002)


@given(rows=st.integers(1, 5), more_rows=st.integers(0, 3), more=st.integers(0, 9))
def test_a_filled_up_batch_is_the_same_batch_before_rows_and_targets_that_count_for_nothing(
    rows: int, more_rows: int, more: int
) -> None:
    batch = causal_batch(some_rows(0, rows, 6))
    full = filled_up(batch, rows + more_rows, 5 * rows + more)
    assert full.input_ids.shape == (rows + more_rows, 6)
    assert len(full.positions) == len(full.targets) == 5 * rows + more
    assert (full.input_ids[:rows] == batch.input_ids).all()
    assert (full.positions[: 5 * rows] == batch.positions).all()
    assert (full.targets[: 5 * rows] == batch.targets).all()
    assert (full.targets[5 * rows :] == IGNORED).all()
    assert not full.input_ids[rows:].any()


@given(tokens=st.integers(1, 10_000), fraction=st.floats(0.01, 1), share=st.floats(0, 1))
def test_there_is_room_for_all_targets_and_but_one_other_size_for_more_than_ever_come(
    tokens: int, fraction: float, share: float
) -> None:
    masking = Masking(fraction, 0, 400, 399, 398)
    usual = masking.capacity(tokens, 0)
    chosen = int(share * tokens)
    assert chosen <= masking.capacity(tokens, chosen) <= tokens
    assert masking.capacity(tokens, chosen) == (usual if chosen <= usual else tokens)


def test_of_a_thousand_batches_none_needs_the_other_size() -> None:
    masking, rows = Masking(0.45, 0, 400, 399, 398), some_rows(0)
    usual = masking.capacity(rows.size, 0)
    assert usual < 0.7 * rows.size
    for epoch in range(1000):
        epochs = np.full(len(rows), epoch)
        assert len(masking.batch(rows, epochs, np.arange(len(rows))).targets) <= usual
