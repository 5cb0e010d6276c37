"""Journals written without the commands that write them: by fast-import, as fast as it gets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from gitml.names import MODELS, TAGS, stage_tag, version_tag
from gitml.registry.message import event_message
from gitml.registry.tagobject import TagDraft, content
from gitml.registry.values import Event
from gitml.store.git import RefUpdate, open_repository
from tests.support import AUTHOR, START


@dataclass
class Journal:
    """A journal in the making; each event is a second after the one before."""

    slug: str
    name: str = ""
    at: int = START
    events: list[Event] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    def add(self, kind, **facts):
        self.at += 1000
        facts = {"model": self.name or self.slug, "at": self.at, "by": AUTHOR, **facts}
        self.events.append(Event(kind=kind, **facts))
        return self

    def register(self, version, **facts):
        number = 1 + sum(event.kind == "register" for event in self.events)
        tags = (version_tag(self.slug, version),)
        return self.add("register", version=version, n=number, tags=tags, **facts)

    def assign(self, stage, version, **facts):
        return self._stage("assign", stage, version, **facts)

    def unassign(self, stage, version, **facts):
        return self._stage("unassign", stage, version, **facts)

    def _stage(self, kind, stage, version, **facts):
        n = self.counters[stage] = self.counters.get(stage, 0) + 1
        tag = stage_tag(self.slug, stage, n, unassign=kind == "unassign")
        return self.add(kind, stage=stage, version=version, n=n, tags=(tag,), **facts)

    def write(self, path, *, files=None):
        """Write the journal and its tags; return the events with their commits.

        ``files`` maps the place of an event to the files of its commit.
        """
        return write_journals(path, self, files={self.slug: files or {}})[self.slug]


def write_journals(path, *journals, files=None):
    """Write several journals at once."""
    repository = open_repository(Path(path))
    written, updates = {}, []
    tags: list[tuple[str, bytes]] = []
    try:
        with repository.fast_import() as stream:
            for journal in journals:
                events = _commits(stream, journal, (files or {}).get(journal.slug, {}))
                written[journal.slug] = events
                updates.append(RefUpdate(MODELS + journal.slug, events[-1].commit, None))
                stream.reset(f"refs/gitml-tmp/{journal.slug}", repository.zero)
                tags += _tags(events)
        updates += zip(*_tag_objects(repository, tags), [None] * len(tags), strict=True)
        repository.update_refs(RefUpdate(*update) for update in updates)
    finally:
        repository.close()
    return written


def _commits(stream, journal, files):
    events, parents = [], []
    for nth, event in enumerate(journal.events):
        mark = stream.commit(
            f"refs/gitml-tmp/{journal.slug}",
            committer=event.by,
            time=event.at,
            message=event_message(event, f"{event.kind} {event.version} {event.stage}"),
            parents=parents,
        )
        stream.put_data("model.yaml", b"schema: 1\n")
        for name, data in files.get(nth, {}).items():
            stream.put_data(name, data)
        parents = [mark]
        events.append(replace(event, commit=stream.oid(mark)))
    return events


def _tags(events):
    commits = {e.version: e.commit for e in events if e.kind == "register"}
    for event in events:
        for name in event.tags:
            draft = TagDraft(
                name=name,
                target=commits[event.version],
                message=event_message(event, "As its event says"),
                tagger=event.by,
                at=event.at,
            )
            yield name, content(draft)


def _tag_objects(repository, tags):
    """Write tag objects by one process and return their refs and oids."""
    folder = repository.common_dir / "tag-objects"
    folder.mkdir()
    paths = []
    for nth, (_, data) in enumerate(tags):
        paths.append(folder / str(nth))
        paths[-1].write_bytes(data)
    listed = "".join(f"{path}\n" for path in paths).encode()
    out = repository.run("hash-object", "-t", "tag", "-w", "--stdin-paths", data=listed)
    for path in paths:
        path.unlink()
    folder.rmdir()
    return [TAGS + name for name, _ in tags], out.decode().split()
