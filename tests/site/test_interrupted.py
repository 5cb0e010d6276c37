"""A build that is killed leaves nothing that the next one does not know of, and nothing cut."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading

import pytest

import gitml
from gitml.errors import BeatenError, RefusedError, StorageError
from gitml.site.journal import Journal
from gitml.site.urls import BUILDING, MANIFEST
from tests.support import MINUTE, START, make_runs, run_id_of

CURVE = [0.5, 0.7, 0.65, 0.8]
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(250)) * 40
# Kills itself at the nth time that a file is put in its place: half-written, or just before.
KILLED = """
import itertools, os, signal, sys
from gitml.cli import main

at, how = int(sys.argv.pop(1)), sys.argv.pop(1)
replace, files = os.replace, itertools.count(1)

def replacing(part, target):
    if str(part).endswith(".part") and next(files) == at:
        if how == "half":
            os.truncate(part, os.stat(part).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(part, target)

os.replace = replacing
sys.exit(main())
"""


def killed(repo, folder, at, how):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(at), how, "site", "build", "-o", folder],
        cwd=repo,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def listed(folder):
    """Return what the manifest lists, and what the journal adds."""
    manifest, journal = folder / MANIFEST, folder / BUILDING / "journal"
    files = json.loads(manifest.read_bytes())["files"] if manifest.exists() else {}
    return {*files, *(journal.read_text().split("\n")[:-1] if journal.exists() else ())}


@pytest.fixture
def sweep(repo, tmp_path, monkeypatch):
    make_runs(
        repo,
        *({"name": f"old-{n}", "created": START + n, "metrics": {"auc": CURVE}} for n in range(3)),
    )
    monkeypatch.chdir(repo)
    with gitml.start_run(experiment="churn", name="pictured") as active:
        for n in range(3):
            (tmp_path / "plot.png").write_bytes(PICTURE + b"%d" % n)
            active.log_artifact(tmp_path / "plot.png", f"plots/{n}.png")
    return repo


def test_what_is_killed_is_taken_up(sweep, make_site, files_of, invoke):
    site = make_site(sweep).path
    whole = files_of(site)
    assert sum(name.startswith("files/") for name in whole) == 3
    for at, how in ((1, "half"), (2, "whole"), (8, "half"), (len(whole), "whole")):
        folder = site.with_name(f"killed-{at}")
        killed(sweep, folder, at, how)
        left = files_of(folder)
        assert left.keys() - listed(folder) <= {f"{BUILDING}/{at}.part", *_building(left), MANIFEST}
        for name in left.keys() & whole.keys():
            assert left[name] == whole[name], name
        assert files_of(make_site(sweep, folder.name).path) == whole
    # The run with the pictures goes before the build is taken up: so do its files.
    folder = site.with_name("gone")
    killed(sweep, folder, len(whole) - 2, "whole")
    assert invoke("rm", "pictured", cwd=sweep).code == 0
    assert list((folder / "files").rglob("*.png"))
    assert files_of(make_site(sweep, "gone").path) == files_of(make_site(sweep, "fresh").path)


def _building(names):
    return {name for name in names if name.startswith(f"{BUILDING}/")}


def test_a_file_that_was_written_again_is_not_taken_for_the_old_one(sweep, make_site, git, invoke):
    site = make_site(sweep)
    page = f"runs/{run_id_of('old-1')[:12]}.html"
    ref = f"refs/gitml/runs/{run_id_of('old-1')}"
    old = git(sweep, "rev-parse", ref).strip()
    before = site.text(page)
    assert invoke("tag", "old-1", "x=1", cwd=sweep).code == 0
    killed(sweep, site.path, 3, "whole")
    # As if the page had just been put in its place, as long as the one before.
    (site.path / page).write_text(before.replace("old-1", "new-1"))
    with (site.path / BUILDING / "journal").open("a") as journal:
        journal.write(f"{page}\n")
    git(sweep, "update-ref", ref, old)
    assert make_site(sweep).text(page) == before


def test_one_build_at_a_time(sweep, make_site):
    site = make_site(sweep)
    make_runs(sweep, {"name": "late-1", "created": START + MINUTE})
    other = Journal(site.path / BUILDING)
    other.open()
    with pytest.raises(BeatenError, match="Another gitml builds pages in"):
        make_site(sweep)
    other.close()
    assert not (site.path / BUILDING).exists()
    assert len(make_site(sweep).done.written) > 3
    # Two at once: one writes, the other either waits its turn by failing, or finds it done.
    make_runs(sweep, {"name": "late-2", "created": START + 2 * MINUTE})
    ends = []

    def build():
        try:
            ends.append(make_site(sweep).done)
        except BeatenError as beaten:
            ends.append(beaten)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 4
    assert not make_site(sweep).done.changed


def test_a_picture_is_not_put_over_somebody_elses_file(sweep, make_site):
    site = make_site(sweep)
    (picture, *_) = (site.path / "files").rglob("*.png")
    folder = site.path.with_name("other")
    (folder / picture.parent.relative_to(site.path)).mkdir(parents=True)
    (folder / BUILDING).mkdir()  # as if a build had been killed before it wrote anything
    (folder / picture.relative_to(site.path)).write_text("mine")
    with pytest.raises(RefusedError, match="in the way"):
        make_site(sweep, "other")
    assert (folder / picture.relative_to(site.path)).read_text() == "mine"


def test_a_folder_that_cannot_be_written(sweep, make_site, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="cannot be written to: Not a directory"):
        make_site(sweep, "file/pages")
    assert (tmp_path / "file").read_text() == "mine"
