"""Large pages: which memory can lie in them, and that it stays what it is."""

import mmap

from agent.host.pages import LARGE_PAGE_BYTES, _private, use_large_pages

MAPS = """\
55d0c0000000-55d0c0021000 r--p 00000000 08:01 42      /usr/bin/python3
55d0c1000000-55d0c1a10000 rw-p 00000000 00:00 0       [heap]
7f0000001000-7f0000600000 rw-p 00000000 00:00 0
7f0000800000-7f0000900000 rw-p 00000000 00:00 0
7f0001000000-7f0002000000 rw-s 00000000 00:01 0
7f0003000000-7f0004000000 rw-p 00000000 08:01 42      /a/model
7f0005000000-7f0005200000 ---p 00000000 00:00 0
"""


def test_only_our_own_memory_and_whole_pages() -> None:
    """Catches a shared or a file's mapping that is rewritten, and addresses between pages."""
    assert list(_private(MAPS.splitlines())) == [
        (0x55D0C1000000, 0x55D0C1A00000),
        (0x7F0000200000, 0x7F0000600000),
    ]


def test_memory_stays_what_it_is() -> None:
    """Catches memory that is lost on its way into large pages."""
    with mmap.mmap(-1, 4 * LARGE_PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        written = bytes(range(256)) * (len(memory) // 256)
        memory[:] = written
        assert use_large_pages() >= 0
        assert memory[:] == written
