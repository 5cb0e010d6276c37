"""Artifacts that are recorded by their address."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading

import pytest

import gitml
from gitml.errors import InputError
from gitml.tracking.references import Reference, is_address, parse_reference

DATA = b"weights\n" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize(
    "text,expected",
    [
        ("s3://b/x/model.pt", Reference(uri="s3://b/x/model.pt", dest="model.pt")),
        (
            f"s3://b/model.pt#sha256={DIGEST.upper()}&size=8000&as=best/",
            Reference(uri="s3://b/model.pt", dest="best/model.pt", sha256=DIGEST, size=8000),
        ),
        ("gs://b/a%20b#as=c", Reference(uri="gs://b/a%20b", dest="c")),
        ("https://h/m.pt?v=3", Reference(uri="https://h/m.pt?v=3", dest="m.pt")),
        ("s3://b/folder/", Reference(uri="s3://b/folder/", dest="folder")),
        (
            "https://ada:pa55@h/m?X-Amz-Signature=abc",
            Reference(uri="https://h/m?X-Amz-Signature=***", dest="m"),
        ),
    ],
)
def test_what_an_address_says(text, expected):
    assert is_address(text)
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "s3://b/m#sha256=12",
        "s3://b/m#md5=12",
        "s3://b/m#part",
        "s3://b/m#size=many",
        "s3://b/m#as=../m",
        "s3://b/..",
        "s3://b/m\x1b[0m",
        "model.pt",
    ],
)
def test_what_is_wrong_with_one(text):
    with pytest.raises(InputError) as raised:
        parse_reference(text)
    assert "\x1b" not in raised.value.message


@pytest.fixture
def gitml_in(repo, invoke):
    def call(*args, code=0):
        answer = invoke(*args, cwd=repo)
        assert answer.code == code, answer
        return answer

    return call


def test_the_command_line_records_shows_gets_and_verifies(repo, gitml_in, tmp_path):
    place = tmp_path / "far model.pt"
    place.write_bytes(DATA)
    uri = place.as_uri()
    answer = gitml_in(
        *("log", "--name", "one", "-m", "auc=1"),
        *("--artifact", f"{uri}#sha256={DIGEST}&size=8000&as=best/m.pt"),
        *("--artifact", "s3://ada:pa55@bucket/m.pt"),
    )
    assert "recorded, not copied" in answer.out
    assert "s3://bucket/m.pt" in answer.out
    assert "recorded without a digest, unverified" in answer.out
    listed = gitml_in("artifacts", "ls", "one").out
    assert "s3://bucket/m.pt, unverified" in listed
    assert "pa55" not in listed
    shown = gitml_in("show", "one").out
    assert "unverified" in shown
    assert DIGEST[:12] in shown
    # Nothing is read unless it is named: whoever wrote the run chose the address.
    answer = gitml_in("artifacts", "get", "one")
    assert f"best/m.pt was not copied: it is at {uri}" in answer.err
    assert "gitml artifacts get one best/m.pt reads it from there" in answer.err
    gitml_in("artifacts", "get", "one", "best/m.pt", "-o", "out")
    assert (repo / "out" / "best" / "m.pt").read_bytes() == DATA
    place.write_bytes(DATA[:-1] + b"X")
    answer = gitml_in("artifacts", "get", "one", "best/m.pt", "-o", "again", code=8)
    assert "best/m.pt is not what was recorded: what is there has the digest sha256:" in answer.err
    place.write_bytes(DATA + b"X")
    assert "more or less" in gitml_in("artifacts", "get", "one", "best/m.pt", "-o", "x", code=8).err
    place.unlink()
    gitml_in("artifacts", "get", "one", "best/m.pt", "-o", "x", code=3)
    assert list(repo.rglob("*.tmp")) == []
    assert not (repo / "again" / "best" / "m.pt").exists()
    gitml_in("log", "--artifact", "s3://a/m.pt", "--artifact", "s3://b/m.pt", code=5)


def test_python_records_them_and_one_without_a_digest_is_said(
    repo, gitml_in, tmp_path, monkeypatch
):
    monkeypatch.chdir(repo)
    place = tmp_path / "data.bin"
    place.write_bytes(DATA)
    with gitml.start_run("churn", name="one") as run:
        run.log_reference("s3://bucket/model.pt", "best/", sha256=f"sha256:{DIGEST}", size=8000)
        run.log_artifact(place.as_uri(), "data.bin")
        gitml.log_reference("https://example.com/page")
    kept = gitml.get_run("one").artifacts
    assert (kept["best/model.pt"].uri, kept["best/model.pt"].sha256) == (
        "s3://bucket/model.pt",
        DIGEST,
    )
    assert (kept["data.bin"].store, kept["data.bin"].sha256) == ("uri", None)
    answer = gitml_in("artifacts", "get", "one", "data.bin", "-o", "out")
    assert "data.bin has no digest to be verified against." in answer.err
    assert (repo / "out" / "data.bin").read_bytes() == DATA
    gitml_in("site", "build", "-o", "pages")
    pages = "".join(p.read_text() for p in (repo / "pages").rglob("*.html"))
    assert 'href="https://example.com/page"' in pages
    assert "s3://bucket/model.pt" in pages
    assert 'href="s3://' not in pages
    assert 'href="file:' not in pages


def test_an_address_on_the_web_is_read_and_verified(repo, gitml_in):
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")

    class Web(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/m.pt" else 404)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        there = f"{url}/m.pt#sha256={DIGEST}"
        gitml_in(
            "log", "--name", "one", "--artifact", there, "--artifact", f"{url}/none", "-m", "a=1"
        )
        gitml_in("artifacts", "get", "one", "m.pt", "-o", "out")
        answer = gitml_in("artifacts", "get", "one", "none", "-o", "out", code=3)
        assert f"There is nothing at {url}/none" in answer.err
        server.shutdown()
    assert (repo / "out" / "m.pt").read_bytes() == DATA
    assert [p.name for p in (repo / "out").iterdir()] == ["m.pt"]
    listed = json.loads(gitml_in("artifacts", "ls", "one", "--json").out)["artifacts"]
    assert [each.get("sha256") for each in listed] == [DIGEST, None]
