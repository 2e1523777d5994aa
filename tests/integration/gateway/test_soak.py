"""A short soak: what every connection leaves behind shows after a hundred of them."""

from bench.gateway.soak import soak

SECONDS = 6.0
VISITS = 8
MEMORY_MIB = 64.0
"""Allocators' reserves come and go by half of it; an hour's soak (`make soak`) measures growth."""


async def test_nothing_is_left_behind() -> None:
    """Catches threads, sockets and files that stay after clients have gone, however they went."""
    soaked = await soak(SECONDS)
    assert soaked.conversations > VISITS
    faults = [fault for fault in soaked.faults() if not fault.startswith("memory")]
    assert faults == []
    assert soaked.last_quarter_mib - soaked.second_quarter_mib < MEMORY_MIB
