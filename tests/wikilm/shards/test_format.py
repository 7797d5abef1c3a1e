"""Names and columns of shards."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wikilm import shards as sf


@pytest.mark.parametrize(("vocab_size", "kind"), [(2**16, pa.uint16()), (2**16 + 1, pa.uint32())])
def test_ids_take_two_bytes_as_long_as_they_fit(vocab_size, kind):
    assert sf.id_type(vocab_size) == kind


@given(st.integers(0, 99_998), st.integers(1, 99_999))
def test_shard_names_sort_in_the_order_of_their_units(unit, units):
    assert sf.shard_name("train", unit, units) < sf.shard_name("train", unit + 1, units)
