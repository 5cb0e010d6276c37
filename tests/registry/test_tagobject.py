from __future__ import annotations

import pytest

from gitml.errors import DamagedError
from gitml.registry.message import event_message
from gitml.registry.tagobject import TagDraft, content, parse_tag
from gitml.registry.values import Event
from tests.support import AUTHOR, START

EVENT = Event(kind="assign", at=START, by=AUTHOR, model="churn", stage="production", n=1)
SSH = b"-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----\n"


def draft(target, **facts):
    message = event_message(EVENT, "Put churn in production")
    usual = {"name": "churn#production#1", "tagger": AUTHOR, "at": START, "message": message}
    return TagDraft(target=target, **{**usual, **facts})


def test_git_takes_it_and_it_reads_back(repo, git):
    head = git(repo, "rev-parse", "HEAD").strip()
    made = content(draft(head, message='# A sentence\n\nevent: "assign"\nstage: "#"\n'))
    oid = git(repo, "mktag", input=made.decode()).strip()
    git(repo, "update-ref", "refs/tags/churn#production#1", oid)
    assert git(repo, "tag", "-l", "--format=%(contents)", "churn#*").startswith("# A sentence\n\n")
    tag = parse_tag(git(repo, "cat-file", "tag", oid).encode())
    assert (tag.name, tag.target, tag.kind) == ("churn#production#1", head, "commit")
    assert (tag.tagger, tag.at, tag.signature) == (AUTHOR, START, None)
    assert tag.fields == {"event": "assign", "stage": "#"}
    assert tag.signed_part == made


def test_the_last_signature_counts_as_for_git():
    made = content(draft("a" * 40, message="A sentence\n\n-----BEGIN PGP MESSAGE-----\n"))
    tag = parse_tag(made + SSH)
    assert (tag.signature, tag.signed_part) == (SSH, made)
    assert tag.message.endswith("-----BEGIN PGP MESSAGE-----\n")
    assert tag.fields == {}


def test_a_tagger_cannot_add_a_header():
    made = content(draft("a" * 40, tagger="Eve\nobject x <eve@example.com>\n\nx"))
    assert parse_tag(made).tagger == "Eveobject x <eve@example.com>"


@pytest.mark.parametrize(
    "head", ["other x", "tagger Ada <a@b>", "tagger Ada <a@b> x +0000", "tagger \xff 1"]
)
def test_a_tag_without_a_time(head):
    raw = f"object {'a' * 40}\ntype commit\ntag x\n{head}\n\nsaid".encode("latin-1")
    tag = parse_tag(raw)
    assert (tag.at, tag.message, tag.fields) == (None, "said", {})


@pytest.mark.parametrize("raw", [b"", b"tag x\n\n", b"object zz\ntype commit\n\n", b"\0\xff" * 99])
def test_what_is_no_tag(raw):
    with pytest.raises(DamagedError):
        parse_tag(raw)
