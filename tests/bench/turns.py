"""Times against a peer's, where other work may go on beside.

Both are timed in turn, and the best of either counts: what else a machine does only
ever adds. Where that is not yet below the limit, more turns are taken, which bring both
nearer to what they are.
"""

from __future__ import annotations

import time

MORE = 5
"""How many times the rounds are taken again at the most."""


def seconds(function, *args):
    """Return how long a call takes."""
    begun = time.perf_counter()
    function(*args)
    return time.perf_counter() - begun


def ratio(benchmark, ours, peer, *, below, rounds):
    """Return the best of ``ours`` over the best of ``peer``, which says its seconds itself.

    Of ``ours`` so many rounds are in the benchmark's table.
    """
    peers = []

    def turn():
        peers.append(peer())

    benchmark.pedantic(ours, setup=turn, rounds=rounds)
    best = benchmark.stats.stats.min
    for _ in range(MORE * rounds):
        if best / min(peers) < below:
            break
        turn()
        best = min(best, seconds(ours))
    benchmark.extra_info["best_ms"] = round(best * 1000, 2)
    benchmark.extra_info["peer_ms"] = round(min(peers) * 1000, 2)
    return best / min(peers)
