"""Installed distributions, read without importlib.metadata and equal to what it says."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import zipfile

import pytest
from packaging.requirements import Requirement

from gitml.tracking.packages import normalized, requirements


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return ``site(folder, headers, direct=None)``: only what it makes is installed."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.setattr(sys, "path", [str(place)])

    def install(folder, headers, direct=None, at=place):
        target = at / folder
        target.mkdir(parents=True)
        name = "METADATA" if folder.endswith(".dist-info") else "PKG-INFO"
        (target / name).write_text(headers, encoding="utf-8")
        if direct is not None:
            (target / "direct_url.json").write_text(direct, encoding="utf-8")
        return target

    return install


def head(name, version):
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: x\n\nName: body\n"


def test_the_answer_is_that_of_importlib():
    expected = {}
    for found in importlib.metadata.distributions():
        if found.metadata["Name"]:
            expected.setdefault(normalized(found.metadata["Name"]), found.version)
    lines = requirements().splitlines()
    got = {}
    for line in lines:
        name, version = line.split("  # " if " @ " in line else "==")
        got[name.partition(" @ ")[0]] = version
    assert got == expected
    assert len(got) == len(lines)
    assert "pytest" in got


def test_names_are_normalised_and_sorted(site):
    site("zope.interface-6.0.dist-info", head("zope.interface", "6.0"))
    site("Flask_SQL__x-2.dist-info", head("Flask_SQL..x", "2.0.post1+cu118"))
    site("old.egg-info", head("Old", "0.1"))
    assert requirements() == "flask-sql-x==2.0.post1+cu118\nold==0.1\nzope-interface==6.0\n"


def test_the_first_on_the_path_counts(site, tmp_path):
    site("a-1.dist-info", head("a", "1"))
    site("a-2.dist-info", head("A", "2"), at=tmp_path / "later")
    sys.path.append(str(tmp_path / "later"))
    assert requirements() == "a==1\n"
    sys.path.reverse()
    assert requirements() == "a==2\n"


def test_an_installation_is_seen_at_once(site):
    site("a-1.dist-info", head("a", "1"))
    assert requirements() == "a==1\n"
    place = site("b-1.dist-info", head("b", "1")).parent
    os.utime(place, ns=(1, 1))  # a clock may be too coarse to show it
    assert requirements() == "a==1\nb==1\n"


def test_the_answer_is_kept_while_nothing_changes(site):
    site("a-1.dist-info", head("a", "1"))
    assert requirements() is requirements()


def test_what_is_broken_is_left_out(site, tmp_path):
    site("a-1.dist-info", head("a", "1"))
    site("empty-1.dist-info", "")
    site("nameless-1.dist-info", "Metadata-Version: 2.1\nVersion: 1\n\nbody\n")
    place = site("gone-1.dist-info", "x").joinpath("METADATA")
    place.unlink()
    (tmp_path / "site" / "folder-1.dist-info" / "METADATA").mkdir(parents=True)
    sys.path += ["", str(tmp_path / "missing"), "\0"]
    assert requirements() == "a==1\n"


def test_headers_may_come_late(site):
    late = "".join(f"Classifier: {i:060}\n" for i in range(200))
    site("a-1.dist-info", f"Metadata-Version: 2.1\n{late}Name: a\n{late}Version: 1\n\n")
    assert requirements() == "a==1\n"


def test_eggs_and_zips(site, tmp_path):
    site("EGG-INFO", head("eggy", "3"), at=tmp_path / "eggy-3.egg")
    (tmp_path / "site" / "file.egg-info").write_text(head("filed", "4"), encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("zipped-5.dist-info/METADATA", head("zipped", "5"))
    sys.path += [str(tmp_path / "eggy-3.egg"), str(tmp_path / "packed.zip")]
    assert requirements() == "eggy==3\nfiled==4\nzipped==5\n"


@pytest.mark.parametrize(
    "direct,line",
    [
        (
            {
                "url": "https://me:hunter2@github.com/x/a.git",
                "vcs_info": {"vcs": "git", "requested_revision": "v1", "commit_id": "ab12"},
            },
            "a @ git+https://github.com/x/a.git@ab12",
        ),
        (
            {
                "url": "ssh://git@host/a",
                "vcs_info": {"vcs": "git", "commit_id": "ab12"},
                "subdirectory": "python",
            },
            "a @ git+ssh://git@host/a@ab12#subdirectory=python",
        ),
        (
            {
                "url": "https://host/a-1.zip?token=hunter2",
                "archive_info": {"hash": "sha256=old", "hashes": {"sha256": "ff00"}},
                "subdirectory": "x",
            },
            "a @ https://host/a-1.zip?token=***#sha256=ff00&subdirectory=x",
        ),
        (
            {"url": "https://host/a-1.zip", "archive_info": {"hash": "md5=ff"}},
            "a @ https://host/a-1.zip#md5=ff",
        ),
        ({"url": "https://host/a-1.zip", "archive_info": {}}, "a @ https://host/a-1.zip"),
    ],
)
def test_what_came_from_a_url_says_so(site, direct, line):
    site("a-1.dist-info", head("a", "1"), json.dumps(direct))
    assert requirements() == f"{line}  # 1\n"
    assert Requirement(line).url in line


def test_an_editable_folder_is_named_while_it_is_there(site, tmp_path):
    project = tmp_path / "my project"
    project.mkdir()
    direct = {"url": project.as_uri(), "dir_info": {"editable": True}}
    site("a-1.dist-info", head("a", "1"), json.dumps(direct))
    gone = {"url": "file:///croot/b_1658496/work", "dir_info": {}}
    site("b-2.dist-info", head("b", "2"), json.dumps(gone))
    assert requirements() == f"a @ {project.as_uri()}  # 1\nb==2\n"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"url": 3}', '{"url": "https://h", "vcs_info": 1}']
)
def test_a_damaged_direct_url_is_no_url(site, text):
    site("a-1.dist-info", head("a", "1"), text)
    assert requirements() == "a==1\n"
