"""Forks of a process that records: its children find locks open and logs of their own."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """What has to know of forks."""

    @property
    def ended(self) -> bool:
        """Whether it has nothing more to do."""

    def hold(self) -> None:
        """Be still until `release`: a fork is about to happen in this thread."""

    def release(self) -> None:
        """Go on, in the parent."""

    def after_fork(self) -> None:
        """Go on as the child."""


class _Held(threading.local):
    def __init__(self) -> None:
        self.list: list[Forked] = []


_KNOWN: weakref.WeakSet[Forked] = weakref.WeakSet()
_HELD = _Held()


def watch(known: Forked) -> None:
    """Tell ``known`` of forks from now on."""
    _KNOWN.add(known)


def forget(known: Forked) -> None:
    """Tell it no more."""
    _KNOWN.discard(known)


def _before() -> None:
    # No git process may be at work: the child would keep its pipes open, and so
    # the parent would wait for the end of git's answer until the child ends.
    _HELD.list = [known for known in list(_KNOWN) if not known.ended]
    for known in _HELD.list:
        known.hold()


def _in_parent() -> None:
    for known in _HELD.list:
        known.release()
    _HELD.list = []


def _in_child() -> None:
    _HELD.list = []
    for known in list(_KNOWN):
        known.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
