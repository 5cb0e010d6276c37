"""Pages in a browser of this machine that load themselves anew when what they show is other.

The server puts a script into each page that it answers with; nothing of it is in the files,
which are the bytes that ``gitml site build`` writes. The script asks every other second which
files are new since it was loaded, and loads its page again if the page is among them, or
anything that the page has loaded. The state of a view is in its address, so it stays.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Iterable

OWN = "/.gitml/"
"""What the server's own addresses begin with; no file whose name begins with a dot is served."""
_BUILDS = 50
"""Builds that are remembered; a page that slept longer is loaded again whatever they were."""
_HEAD_ENDS = b"</head>"
_SCRIPT = """\
'use strict';
(() => {
  const PAUSE = 2000, GONE = 20000; // milliseconds; where the server has ended, it is asked seldom
  const path = address => {
    const coded = new URL(address).pathname.slice(1) || 'index.html';
    try { return decodeURIComponent(coded); } catch (problem) { return coded; } // a lone %
  };
  const loaded = new Set([path(location.href)]);
  let known = new URL(document.currentScript.src).searchParams.get('v'), waiting = 0;
  const writing = () => /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  async function look() {
    clearTimeout(waiting);
    if (document.hidden) return; // being shown again is an event
    let pause = PAUSE;
    for (const each of performance.getEntriesByType('resource')) loaded.add(path(each.name));
    performance.clearResourceTimings(); // it holds 250, our own questions among them
    try {
      const answer = await fetch('/.gitml/changes?since=' + known, { cache: 'no-store' });
      const { version, changed } = await answer.json();
      if (changed !== null && !changed.some(address => loaded.has(address))) known = version;
      else if (!writing()) { location.reload(); return; }
    } catch (problem) { pause = GONE; }
    waiting = setTimeout(look, pause);
  }
  document.addEventListener('visibilitychange', look);
  waiting = setTimeout(look, PAUSE);
})();
"""


class Changes:
    """Which files each of the last builds wrote or removed; it may be asked by any thread."""

    def __init__(self) -> None:
        """Begin with what is there, under a name that no earlier server gave."""
        self._token = secrets.token_hex(4)
        self._builds: tuple[int, tuple[frozenset[str], ...]] = 0, ()

    @property
    def version(self) -> str:
        """What is there now, as a word."""
        return f"{self._token}-{self._builds[0]}"

    def add(self, addresses: Iterable[str]) -> None:
        """Remember what a build wrote or removed."""
        count, builds = self._builds
        self._builds = count + 1, (*builds, frozenset(addresses))[-_BUILDS:]

    def since(self, version: str) -> list[str] | None:
        """Return which files are other than they were then, None if that is not known."""
        count, builds = self._builds
        token, _, number = version.partition("-")
        if token != self._token or not number.isdecimal() or len(number) > len(str(count)):
            return None
        missed = count - int(number)
        if not 0 <= missed <= len(builds):
            return None
        return sorted(frozenset().union(*builds[len(builds) - missed :]))

    def answer(self, path: str, query: str) -> tuple[str, bytes] | None:
        """Return kind and content of an address of the server's own, None if there is none."""
        if path == f"{OWN}reload.js":
            return "text/javascript; charset=utf-8", _SCRIPT.encode()
        if path == f"{OWN}changes":
            version = self.version  # read first: what comes between is told the next time too
            since = parse_qs(query).get("since", [""])[0]
            told = {"version": version, "changed": self.since(since)}
            return "application/json", json.dumps(told).encode()
        return None

    def watching(self, page: bytes) -> bytes:
        """Return a page with the script in it that looks for changes since now."""
        script = f'<script src="{OWN}reload.js?v={self.version}" defer></script>\n'
        return page.replace(_HEAD_ENDS, script.encode() + _HEAD_ENDS, 1)
