"""How much goes in one request, in virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.stages.transfer.sizes import BLOCKS_IN_FLIGHT, MOST_BLOCKS, Sizes, resumed_block_bytes
from laden.store import block_id

MIB = 1 << 20


def seen(bytes_per_s: float, seconds: int = 100) -> Sizes:
    sizes = Sizes(256 * MIB, 32 * MIB)
    sizes.begin(0)
    for second in range(1, seconds + 1):
        sizes.arrived(int(bytes_per_s), second)
    return sizes


@pytest.mark.parametrize(
    ("bytes_per_s", "single_bytes", "block_bytes"),
    [
        (12_500, 4 * MIB, 1 * MIB),  # 100 kbit/s
        (125_000, 7_500_000, 1 * MIB),
        (1_250_000, 75_000_000, 8 * MIB),
        (12_500_000, 256 * MIB, 32 * MIB),
        (1_250_000_000, 256 * MIB, 32 * MIB),
    ],
)
def test_a_block_fits_the_link(bytes_per_s: int, single_bytes: int, block_bytes: int) -> None:
    sizes = seen(bytes_per_s)
    assert sizes.single_put_bytes(100) == pytest.approx(single_bytes, rel=0.02)
    assert sizes.block_bytes(1 << 30, 100) == block_bytes


def test_before_anything_arrived_they_are_middling() -> None:
    sizes = Sizes(256 * MIB, 32 * MIB)
    assert (sizes.single_put_bytes(0), sizes.block_bytes(1 << 30, 0)) == (16 * MIB, 8 * MIB)


def test_a_link_that_slows_down_gets_smaller_ones() -> None:
    sizes = seen(100e6)
    for second in range(101, 300):
        sizes.arrived(125_000, second)
    assert sizes.block_bytes(1 << 30, 300) == 1 * MIB


@given(st.integers(1, 5 << 40), st.floats(1, 1e10), st.integers(0, 200))
def test_never_too_many_blocks_never_larger_than_allowed(size_bytes: int, bytes_per_s: float, seconds: int) -> None:
    sizes = seen(bytes_per_s, seconds)
    block_bytes = sizes.block_bytes(size_bytes, seconds + 0.5)
    assert block_bytes * MOST_BLOCKS >= size_bytes
    assert 1 * MIB <= block_bytes <= sizes.most_block_bytes(size_bytes)
    in_flight_s = block_bytes * BLOCKS_IN_FLIGHT / max(bytes_per_s, 1)
    assert in_flight_s <= 60 or block_bytes <= max(8 * MIB, -(-size_bytes // MOST_BLOCKS) + MIB)


def test_blocks_that_are_there_decide() -> None:
    first = block_id(0, b"")
    staged = {block_id(number, b"x" * 16): 8 * MIB for number in range(5)}
    assert resumed_block_bytes(staged, first, 32 * MIB, 100 * MIB) == 8 * MIB
    assert resumed_block_bytes({}, first, 32 * MIB, 100 * MIB) is None
    last_only = {block_id(4, b"x" * 16): 17}
    assert resumed_block_bytes(last_only, first, 32 * MIB, 100 * MIB) is None, "the last block is of any size"
    assert resumed_block_bytes(staged, first, 4 * MIB, 100 * MIB) is None, "it would not fit the window"
    assert resumed_block_bytes({first + "00": 17}, first, 4 * MIB, 100 * MIB) is None, "there would be too many"
    mixed = staged | {block_id(0, b"y" * 16): MIB, "another tool's": MIB, block_id(1, b"y" * 16): MIB}
    assert resumed_block_bytes(mixed, first, 32 * MIB, 100 * MIB) == 8 * MIB
