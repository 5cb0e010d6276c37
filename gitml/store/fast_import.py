"""``git fast-import`` as a context: objects in, their oids out."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

from gitml.store.failures import failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitml.store.git import Repository


class FastImport:
    """One ``git fast-import``: blobs and commits in, their oids out.

    Leaving the context normally ends the stream; its refs exist from then on.
    Leaving it by an exception writes no ref.
    """

    def __init__(self, repository: Repository) -> None:
        """Start the process."""
        self._repository = repository
        self._process = repository.start(
            "-c", "core.fsyncMethod=batch", "fast-import", "--quiet", "--done", "--date-format=raw"
        )
        self._marks = 0
        self._in_commit = False

    def __enter__(self) -> Self:
        """Return the stream."""
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        """End the stream, or break it off."""
        process = self._process
        if kind is not None:
            process.kill()
            process.communicate()
            self._remove_crash_report()
            return
        try:
            _, err = process.communicate(b"done\n")
        except BrokenPipeError:
            err = b"" if process.stderr is None else process.stderr.read()
            process.wait()
        if process.returncode != 0:
            self._remove_crash_report()
            raise failure("fast-import", err.decode("utf-8", "replace"), process.returncode)

    def _remove_crash_report(self) -> None:
        with contextlib.suppress(OSError):
            (self._repository.git_dir / f"fast_import_crash_{self._process.pid}").unlink()

    def write(self, *parts: bytes) -> None:
        """Write raw commands."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(b"".join(parts))
        except BrokenPipeError:
            err = b"" if self._process.stderr is None else self._process.stderr.read()
            code = self._process.wait()
            raise failure("fast-import", err.decode("utf-8", "replace"), code) from None

    def _end_commit(self) -> None:
        """End a commit begun: its mark is known only after a blank line."""
        if self._in_commit:
            self.write(b"\n")
            self._in_commit = False

    def _answer(self) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with contextlib.suppress(BrokenPipeError):
            stdin.flush()
        line = stdout.readline().decode("utf-8", "surrogateescape")
        if not line.endswith("\n"):  # it died, perhaps in the middle of the line
            with contextlib.suppress(OSError):
                stdin.close()  # whatever still reads it shall end, so that we read its last word
            self._process.stdin = None
            err = b"" if self._process.stderr is None else self._process.stderr.read()
            raise failure("fast-import", err.decode("utf-8", "replace"), self._process.wait())
        return line[:-1]

    def blob(self, data: bytes) -> str:
        """Write a blob and return its mark."""
        self._in_commit = False
        self._marks += 1
        self.write(b"blob\nmark :%d\ndata %d\n" % (self._marks, len(data)), data, b"\n")
        return f":{self._marks}"

    def commit(
        self,
        ref: str,
        *,
        committer: str,
        time: int,
        message: str,
        parents: Iterable[str] = (),
        keep_tree: bool = False,
    ) -> str:
        """Begin a commit on ``ref`` and return its mark; `put` and `drop` follow.

        ``time`` is in milliseconds. The tree starts empty unless ``keep_tree``,
        which starts from the first parent's.
        """
        self._marks += 1
        text = message.encode("utf-8", "surrogatepass")
        who = clean_identity(committer).encode("utf-8", "replace")
        head = b"commit %s\nmark :%d\n" % (ref.encode(), self._marks)
        head += b"committer %s %d +0000\ndata %d\n" % (who, max(time, 0) // 1000, len(text))
        self.write(head, text, b"\n")
        for number, parent in enumerate(parents):
            self.write(b"%s %s\n" % (b"merge" if number else b"from", parent.encode()))
        self._in_commit = True
        if not keep_tree:
            self.write(b"deleteall\n")
        return f":{self._marks}"

    def reset(self, ref: str, commit: str | None = None) -> None:
        """Set a ref to a commit, by mark or oid, or start it anew without one.

        At the end git moves it only if its new commit contains the old one.
        """
        self._in_commit = False
        start = f"from {commit}\n" if commit else ""
        self.write(f"reset {ref}\n{start}".encode())

    def put(self, path: str, what: str, mode: str = "100644") -> None:
        """Put the object ``what`` (an oid or a mark) at ``path`` of the commit begun."""
        self.write(b"M %s %s %s\n" % (mode.encode(), what.encode(), quote(path)))

    def put_data(self, path: str, data: bytes, mode: str = "100644") -> None:
        """Put a new blob at ``path`` of the commit begun."""
        self.write(
            b"M %s inline %s\ndata %d\n" % (mode.encode(), quote(path), len(data)), data, b"\n"
        )

    def drop(self, path: str) -> None:
        """Remove ``path`` from the commit begun."""
        self.write(b"D %s\n" % quote(path))

    def oid(self, mark: str) -> str:
        """Return the oid of a mark."""
        self._end_commit()
        self.write(b"get-mark %s\n" % mark.encode())
        return self._answer()

    def tree_of(self, commit: str) -> str:
        """Return the oid of the tree of a commit, given by mark or oid."""
        self._end_commit()
        self.write(b'ls %s ""\n' % commit.encode())
        return self._answer().split(" ", 2)[2].split("\t", 1)[0]


def quote(path: str) -> bytes:
    """Return a path as fast-import reads it, C-quoted."""
    raw = path.encode("utf-8", "surrogateescape")
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def clean_identity(who: str) -> str:
    """Return ``Name <email>`` without what git's header cannot hold."""
    name, _, rest = who.partition("<")
    email = rest.partition(">")[0]

    def clean(text: str) -> str:
        return "".join(c for c in text if c not in "<>\n\0").strip(" .,:;\"'")

    return f"{clean(name)} <{clean(email)}>" if clean(name) else f"<{clean(email)}>"
