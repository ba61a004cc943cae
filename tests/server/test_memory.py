"""What was freed goes back to the system."""

import ctypes

import pytest

from vault.server.memory import GROWN, Trimmer, resident

BLOCK = 4096
"""Below the size from which glibc maps each block for itself, so they lie side by side in its heap."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library gives back by itself")
def test_freed_memory_below_a_block_that_stays_is_given_back() -> None:
    """Without the trim, the block at the end keeps all that lies before it."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    trimmer = Trimmer()
    blocks = [libc.malloc(BLOCK) for _ in range(8 * GROWN // BLOCK)]
    for block in blocks:
        ctypes.memset(ctypes.c_void_p(block), 1, BLOCK)
    last = blocks.pop()
    for block in blocks:
        libc.free(block)
    held = resident()

    assert trimmer.look()

    assert resident() < held - 4 * GROWN
    libc.free(last)


def test_a_process_that_has_not_grown_is_left_alone() -> None:
    """Trimming costs: what is given back is fetched again."""
    trimmer = Trimmer()
    trimmer.look()

    assert not trimmer.look()
