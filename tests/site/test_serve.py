"""``gitml site serve``: who may read what, and that pages follow the runs."""

from __future__ import annotations

import http.client
import json
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from urllib.parse import quote

import pytest

from gitml.errors import InputError, StorageError
from gitml.site.serve import FIRST, answering, listen, passing_folder
from tests.site.browsing import browse, needs_browser
from tests.support import START, make_run, run_id_of


@pytest.fixture
def pages(tmp_path):
    """Return a folder of pages, beside a secret."""
    folder = tmp_path / "pages"
    (folder / "runs").mkdir(parents=True)
    (folder / ".gitml-build").mkdir()
    for name in ("index.html", "runs/a.html", "app.js", "a b.csv", "x.svg", ".gitml-build/journal"):
        (folder / name).write_text(f"this is {name}")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    return folder


@pytest.fixture
def ask(pages):
    """Return ``ask(target, **headers)``: the answer, with its body in ``data``."""
    with listen(pages, 0) as server, answering(server):

        def asking(target, method="GET", **headers):
            port = server.server_port
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            client.putrequest(method, target, skip_host=True)
            for name, value in {"Host": f"127.0.0.1:{port}", **headers}.items():
                if value is not None:
                    client.putheader(name.replace("_", "-"), value.replace("PORT", str(port)))
            client.endheaders()
            answer = client.getresponse()
            answer.text = answer.read().decode()
            client.close()
            return answer

        yield asking


@pytest.mark.parametrize(
    "target,name,kind",
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/index.html?x=1", "index.html", "text/html; charset=utf-8"),
        ("/runs/a.html", "runs/a.html", "text/html; charset=utf-8"),
        ("/app.js", "app.js", "text/javascript; charset=utf-8"),
        ("/a%20b.csv", "a b.csv", "text/csv; charset=utf-8"),
        ("/x.svg", "x.svg", "image/svg+xml"),
    ],
)
def test_a_file_is_answered_as_what_it_is(ask, target, name, kind):
    answer = ask(target)
    assert (answer.status, answer.text) == (200, f"this is {name}")
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert ("sandbox" in answer.headers["Content-Security-Policy"]) == (".html" not in name)
    head = ask(target, "HEAD")
    assert (head.status, head.text) == (200, "")
    assert head.headers["Content-Length"] == str(len(answer.text))
    assert ask(target, If_None_Match=answer.headers["ETag"]).status == 304


@pytest.mark.parametrize(
    "target",
    [
        *["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/runs/../../secret.txt"],
        *["//secret.txt", "/up/secret.txt", "/out.txt", "/loop", "/.gitml-build/journal", "/C:/x"],
        *[
            "/runs",
            "/runs/",
            "/runs/none.html",
            "/..\\secret.txt",
            "/%00",
            "/%ff",
            "/" + "x" * 5000,
        ],
    ],
)
def test_nothing_else_is_there(ask, target):
    answer = ask(target)
    assert answer.status in {404, 414}
    assert "secret" not in answer.text.replace("secret.txt", "")
    assert "journal" not in answer.text


def test_other_sites_are_refused(ask):
    for host in ("evil.example", "evil.example:PORT", "127.0.0.1:1", "localhost", "", None):
        assert ask("/app.js", Host=host).status == 421, host
    for host in ("localhost:PORT", "LOCALHOST:PORT", "[::1]:PORT"):
        assert ask("/app.js", Host=host).status == 200, host
    for site in ("cross-site", "same-site"):
        assert ask("/app.js", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors").status == 403
        framed = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}
        assert ask("/", Sec_Fetch_Site=site, **framed).status == 403
        followed = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
        assert ask("/", Sec_Fetch_Site=site, **followed).status == 200
    assert ask("/app.js", Sec_Fetch_Site="same-origin").status == 200
    assert ask("/", "POST").status == 501


def test_a_port_that_is_taken(tmp_path):
    with listen(tmp_path, None) as first, listen(tmp_path, None) as second:
        assert first.server_address[0] == "127.0.0.1"
        assert first.server_port != second.server_port
        assert first.server_port >= FIRST
        with pytest.raises(InputError, match=f"Port {first.server_port} is taken") as told:
            listen(tmp_path, first.server_port)
        assert "--port" in told.value.hint


class Serving:
    """A server process and what it prints."""

    def __init__(self, repo, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gitml", "site", "serve", *words],
            cwd=repo,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=0,
        )

    def line(self, seconds=120):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        assert ready, "nothing was said"
        return self.process.stdout.readline()

    def get(self, address):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        client.request("GET", f"/{address}")
        answer = client.getresponse()
        text = answer.read().decode()
        client.close()
        return answer.status, text

    def __enter__(self):
        said = self.line()
        found = re.fullmatch(r"Serving http://127\.0\.0\.1:(\d+)/ \(\d+ files\)\. .*\n", said)
        assert found, said + self.process.stderr.read()
        self.port = int(found[1])
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def test_a_page_is_told_when_it_is_another(tmp_path):
    page = tmp_path / "index.html"
    page.write_text("<html><head></head><body></html>")
    with listen(tmp_path, 0) as server, answering(server):
        at = server.changes.version

        def get(address, tag=""):
            client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
            client.request("GET", address, headers={"If-None-Match": tag})
            answer = client.getresponse()
            text = answer.read().decode()
            client.close()
            return answer.headers["ETag"], text, answer.status

        tag, text, _ = get("/")
        script = f'<script src="/.gitml/reload.js?v={at}" defer></script>'
        assert text == f"<html><head>{script}\n</head><body></html>"
        assert page.read_text() == "<html><head></head><body></html>"
        assert "location.reload" in get("/.gitml/reload.js")[1]
        assert get("/", tag)[2] == 304
        changes = f"/.gitml/changes?since={at}"
        assert json.loads(get(changes)[1]) == {"version": at, "changed": []}
        server.changes.add(["runs.html", "data/runs.js"])
        server.changes.add(["runs.html", "runs/a.html"])
        assert get("/", tag)[2] == 200  # the same file, but what is new since is counted from now
        told = json.loads(get(changes)[1])
        assert told["changed"] == ["data/runs.js", "runs.html", "runs/a.html"]
        assert json.loads(get(f"/.gitml/changes?since={told['version']}")[1])["changed"] == []
        for strange in ("", "x", "-", f"{at}9", "0-0", at.replace("-0", "--1"), at[:-1] + "٣"):
            told = json.loads(get(f"/.gitml/changes?since={quote(strange)}")[1])
            assert told["changed"] is None, strange
        for n in range(60):
            server.changes.add([f"{n}.html"])
        assert json.loads(get(changes)[1])["changed"] is None
        assert get("/.gitml/")[2] == get("/.gitml/journal")[2] == 404


def test_pages_nobody_keeps(tmp_path):
    place = tmp_path / "site"
    for name in ("killed", "older"):
        (place / name / "runs").mkdir(parents=True)
        (place / name / "runs" / "a.html").write_text("a")
    (place / "killed.lock").touch()
    with passing_folder(tmp_path) as first:
        assert [path.suffix for path in place.iterdir()] == [".lock"]
        first.mkdir()
        with passing_folder(tmp_path) as second:
            second.mkdir()
            assert first.is_dir()
        assert first.is_dir()
        assert not second.exists()
    assert not list(place.iterdir())
    (tmp_path / "file").touch()
    with (
        pytest.raises(StorageError, match="cannot be written to"),
        passing_folder(tmp_path / "file"),
    ):
        pass


FOLLOW = """(async () => {
  const until = async test => { while (!test()) await new Promise(done => setTimeout(done, 50)); };
  const [one, all] = ['PAGE', 'runs.html'].map(page => open(page));
  const there = w => w.document.querySelector('.foot') && w.document.readyState === 'complete';
  await until(() => there(one) && there(all));
  one.marked = all.marked = true;
  const before = all.document.querySelector('#n').textContent;
  await fetch('about.html?now');
  await until(() => !all.marked && there(all));
  const after = all.document.querySelector('#n').textContent;
  return [before, after, Boolean(one.marked)];
})()"""


@needs_browser
@pytest.mark.slow
def test_open_pages_load_themselves_again(repo, make_site):
    make_run(repo, "keen-fjord-8", created=START)
    make_run(repo, "calm-otter-3", created=START + 1)
    site, asked = make_site(repo), threading.Event()
    with listen(site.path, 0) as server, answering(server):
        find = server.find

        def finding(target):
            if "?now" in target:
                asked.set()
            return find(target)

        def follow():
            asked.wait(240)
            make_run(repo, "brave-kite-1", created=START + 2)
            done = make_site(repo).done
            server.changes.add([*done.written, *done.removed])

        server.find = finding
        builder = threading.Thread(target=follow)
        builder.start()
        script = FOLLOW.replace("PAGE", f"runs/{run_id_of('keen-fjord-8')[:12]}.html")
        try:
            wrong, (told,) = browse(site.path, ["about.html"], how=server.url, script=script)
        finally:
            asked.set()
            builder.join()
    assert wrong == []
    assert told == ["1–2 of 2", "1–3 of 3", True]


def test_pages_follow_the_runs(repo, git):
    make_run(repo, "keen-fjord-8", created=START, metrics={"auc": [0.5, 0.7]})
    with Serving(repo) as server:
        assert "keen-fjord-8" in server.get("index.html")[1]
        page = f"runs/{run_id_of('brave-kite-1')[:12]}.html"
        assert server.get(page)[0] == 404
        make_run(repo, "brave-kite-1", created=START + 1, metrics={"auc": [0.6, 0.8]})
        assert re.fullmatch(r"\d+ files written anew\.\n", server.line())
        assert "brave-kite-1" in server.get(page)[1]
        with socket.create_connection(("127.0.0.1", server.port)):  # one that says nothing
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(24) == 130  # who says nothing has 30 seconds for it
        assert server.process.stderr.read() == "Interrupted.\n"
    assert not list((repo / ".git" / "gitml" / "site").iterdir())
    assert git(repo, "status", "--porcelain") == ""


def test_what_cannot_be_served(repo, invoke, tmp_path, empty_repo):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = invoke("site", "serve", "--port", taken.getsockname()[1], cwd=repo)
        assert (answer.code, "is taken" in answer.err) == (5, True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    assert invoke("site", "serve", "-o", tmp_path / "full", cwd=repo).code == 4
    assert invoke("site", "serve", "-o", ".git/pages", cwd=repo).code == 4
    assert invoke("site", "serve", cwd=tmp_path).code == 6
