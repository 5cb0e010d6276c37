"""Names: what git, a terminal and a file system make of what people write."""

from __future__ import annotations

import itertools
import random
import subprocess
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitml import names
from gitml.errors import InputError
from gitml.store.git import open_repository

DEVICES = ["con", "prn", "aux", "nul", "com1", "com9", "lpt1", "lpt9", "com0"]
AWKWARD = [
    *DEVICES,
    *(d.upper() for d in DEVICES),
    "churn",
    "Churn",
    "CHURN",
    "churn ",
    "résumé",
    "resume",
    "re\u0301sume\u0301",
    "流失",
    "🦦",
    ".",
    "..",
    "-",
    "_",
    "--",
    "-x",
    "x-",
    "x.lock",
    "a/b",
    "a//b",
    "a..b",
    "@",
    "@{",
    "HEAD",
    "head",
    "a~b",
    "a^b",
    "a:b",
    "a?b",
    "a*b",
    "a[b",
    "a\\b",
    "a b",
    "x--01234567",
    "X--01234567",
    "a" * 63,
    "a" * 64,
    "a" * 300,
    "é" * 300,
    "-" * 300,
    "\ud800",
    "\x7f",
    "0",
    "١٢٣",
    "ﬁne",
]
texts = st.text(st.characters(exclude_categories=[]), min_size=1, max_size=60)


def check_ref_format(refs):
    """Return the refs that git refuses; ``update-ref`` checks all in one process."""
    lines = "".join(f"verify {ref}\n" for ref in refs)
    done = subprocess.run(
        ["git", "update-ref", "--stdin"], input=lines.encode(), capture_output=True, check=False
    )
    return done.stderr.decode() if done.returncode else ""


def test_slugs_are_unique_and_legal_in_git(repo, monkeypatch):
    monkeypatch.chdir(repo)
    slugs = {}
    rng = random.Random(1)
    alphabet = "aB-_. /~^:é中\u0301🦦"
    made = ("".join(rng.choices(alphabet, k=rng.randint(1, 300))) for _ in range(2000))
    for name in dict.fromkeys([*AWKWARD, *made]):
        slug = names.slugify(name)
        assert names.SLUG.fullmatch(slug), name
        assert slug not in DEVICES
        assert slugs.setdefault(slug, name) == name
    assert not check_ref_format(names.experiment_ref(slug) for slug in slugs)
    folded = {slug.casefold() for slug in slugs}
    assert len(folded) == len(slugs), "a file system without case would mix them up"
    done = subprocess.run(
        ["git", "check-ref-format", names.experiment_ref(names.slugify("x.lock"))], check=False
    )
    assert done.returncode == 0


@given(texts)
@example("\ud800")
def test_a_slug_is_a_slug_of_the_same_name_always(name):
    slug = names.slugify(name)
    assert names.experiment_ref(slug).endswith(f"/{slug}")
    assert names.slugify(name) == slug
    salted = names.slugify(name, salt="churn")
    assert names.SLUG.fullmatch(salted)
    assert salted != slug


@pytest.mark.parametrize("slug", ["churn", "a", "0", "a-b_c", "a" * 63, "x--0123456", "conx"])
def test_a_legal_slug_is_its_own(slug):
    assert names.slugify(slug) == slug


def test_case_twins_and_devices_differ():
    twins = [names.slugify(n) for n in ("churn", "Churn", "CHURN", "churn ", "ch\u0301urn")]
    assert len(set(twins)) == len(twins)
    assert twins[0] == "churn"
    assert [names.slugify(n) == n for n in DEVICES] == [False] * len(DEVICES)


@pytest.mark.parametrize("text", ["", "a/../b", "a.lock", "A", "-a", "a" * 64, "a\n", "x y"])
def test_no_ref_is_built_from_what_is_no_slug_and_no_id(text):
    with pytest.raises(InputError):
        names.experiment_ref(text)
    with pytest.raises(InputError):
        names.run_ref(text)


def test_only_whole_ids_are_run_ids():
    whole = "0123456789abcdef" * 2
    assert names.is_run_id(whole)
    wrong = [whole[1:], f"{whole}0", whole.upper(), f"{whole}\n", f"g{whole[1:]}", "٠" * 32]
    assert not any(map(names.is_run_id, wrong))


@given(texts)
@example("\u202e\x1b[31m\x07\x85\u2028\ud800\ue000\ufffe\U0001fffe\U000e0fff\u206a")
def test_nothing_hostile_is_visible(text):
    shown = names.visible(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
    bidi = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not bidi & {unicodedata.bidirectional(c) for c in shown}
    assert not set(shown) & set("\u200e\u200f\u061c\ufeff\u206a")
    assert len(shown) <= 200
    shown.encode()  # a surrogate would not


@pytest.mark.parametrize(
    "text", ["churn", "é", "a b", "🦦", "👩\u200d🔬", "نمونه\u200cها", "x" * 200]
)
def test_what_people_write_stays_as_it_is(text):
    assert names.visible(text) == text
    assert names.check_name(text, "metric") == text


def test_long_text_is_cut():
    assert names.visible("x" * 201) == "x" * 199 + "…"
    assert names.visible("\x00" * 10, 12) == "\\x00\\x00\\x0…"


@given(texts)
def test_an_accepted_name_is_visible_and_a_refusal_is_one_clean_line(name):
    try:
        kept = names.check_name(name, "experiment")
    except InputError as error:
        refusal = error.message
        assert "\n" not in refusal
        refusal.encode()
    else:
        assert kept == name
        assert name == name.strip()
        assert not {unicodedata.category(c) for c in name} & {"Cc", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    "name", ["", " ", "\t", " a", "a ", "a\n", "a\x00b", "\u202eabc", "x" * 251]
)
def test_names_that_cannot_be_typed_are_refused(name):
    with pytest.raises(InputError):
        names.check_name(name, "tag")


HOSTILE_PATHS = [
    *["", ".", "/", "//", "./.", "..", "../x", "a/../b", "a/..", "..\\x", "a\\..\\..\\b"],
    *["/etc/passwd", "\\\\host\\share", "C:\\x", "c:/x", "\\x"],
    *[".git", ".git/config", "a/.GIT/b", ".git.", ".git ", ".git . .", ".git:x", "git~1", "GIT~1"],
    *[".git::$INDEX_ALLOCATION/x", ".g\u200cit", ".gi\ufefft/x", ".\u200dgit", ".git\u200c"],
    *["a\x00b", "a\nb", "a\rb", "a\x1bb", "\u202eabc", "a\u2028b", "a\ud800"],
    *["x" * 1025, "a/" * 600 + "a"],
    *[".gitmodules/x", ".gitattributes/x", "a/GITATT~1/b", "gi7eba~1/x", "~1000000/x"],
    *[".gitattributes:x", "gitatt~1:x", ".gitmodules: "],
]
ODD_PATHS = [
    *["a", "a/b", "a//b", "./a", "a/./b", "a/", "a\\b", "...", "a.", "a ", " ", "~", "-", "--x"],
    *["con", "nul.txt", "a:b", "c:x", "a?b*c", '"', "'", "a\\'", 'a"b', "a~1", ".gitx", "git~x"],
    *[".gitignore", ".gitattributes", ".GitAttributes", ".gitattributes "],
    *[".gitmodules", ".gitmodules...", "x/.gitmodules", "gitmod~1", "gitatt~4", "GI7D29~1"],
    *["gi7eba~1", "gi7d2~12", "~1000000", "g~123456", ".gitattri\u200cbutes", ".mailmap"],
    *["é", "e\u0301", "流失.png", "🦦", "\ue000", "\ufffe", "\U0010ffff", "a\u200bb", "x" * 1024],
    *["run.yaml", "edits.jsonl", "metrics", "artifacts/artifacts", "a~", "a/b~", "a~/b"],
]


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_hostile_paths_are_refused_in_one_clean_line(path):
    with pytest.raises(InputError) as caught:
        names.check_path(path)
    assert "\n" not in caught.value.message
    caught.value.message.encode()


def test_accepted_paths_stay_below_the_run():
    for path in ODD_PATHS:
        kept = names.check_path(path)
        assert not kept.startswith("/")
        assert not {"", ".", "..", ".git"} & set(kept.split("/"))
        assert names.check_path(kept) == kept


def near_dotgit():
    """Return paths a character or so away from the names git keeps for itself."""
    rng = random.Random(7)
    seeds = [".git", "git~1", ".gitmodules", ".gitattributes", "gitmod~1", "gi7eba~1", "gi7d29~1"]
    extra = [".", " ", ":", "~", "1", "9", "\u200c", "\ufeff", "é", "/", "x", "G", "I", "\\", "a"]
    for seed, _ in itertools.product(seeds, range(250)):
        text = list(seed)
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(text) + 1)
            if rng.random() < 0.6 or not text:
                text.insert(at, rng.choice(extra))
            elif rng.random() < 0.5:
                text[at % len(text)] = rng.choice(extra)
            else:
                del text[at % len(text)]
        yield "".join(rng.choice([c, c, c.upper()]) for c in text)


def test_git_finds_no_fault_in_any_path_that_is_accepted(repo, git):
    """The content is what fsck would mind in a file that git reads."""
    from gitml.store.state import stored_paths

    paths = set()
    for path in [*ODD_PATHS, *near_dotgit(), *HOSTILE_PATHS]:
        try:
            paths.add(names.check_path(path))
        except InputError:
            continue
    assert len(paths) > 700
    bad = b"* " + b"x" * 5000 + b'\n[submodule "../x"]\n\tpath = -x\n\turl = -u\n'
    repository = open_repository(repo)
    with repository.fast_import() as stream:
        blob = stream.blob(bad)
        # A tree for each: some of them would be files and folders of one another.
        for number, path in enumerate(sorted(paths)):
            mark = stream.commit(
                f"refs/gitml-tmp/{number:016x}", committer="A <a@b>", time=0, message="x"
            )
            (place,) = stored_paths([path]).values()
            stream.put(f"artifacts/{place}", blob)
            assert mark
        everything = stored_paths(paths)
        stream.commit("refs/gitml-tmp/ffffffffffffffff", committer="A <a@b>", time=0, message="x")
        for place in everything.values():
            stream.put(f"artifacts/{place}", blob)
    repository.close()
    found = subprocess.run(
        ["git", "-C", repo, "fsck", "--strict", "--no-dangling", "--no-progress"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr, found.stdout) == (0, "", "")
    listed = git(repo, "ls-tree", "-r", "-z", "--name-only", "refs/gitml-tmp/ffffffffffffffff")
    assert listed.split("\0")[:-1] == sorted(
        (f"artifacts/{place}" for place in everything.values()), key=lambda p: p.encode()
    )


def test_what_fsck_minds_is_what_is_kept_away(repo, git):
    """Else the test before this one would say nothing."""
    blob = git(repo, "hash-object", "-w", "--stdin", input="* " + "x" * 5000).strip()
    for name in (".gitattributes", "gitatt~1", "GI7D29~1", "~1000000", ".gitattri\u200cbutes "):
        assert names.is_read_by_git(name)
        tree = git(repo, "mktree", input=f"100644 blob {blob}\t{name}\n").strip()
        commit = git(repo, "commit-tree", tree, "-m", "x").strip()
        git(repo, "update-ref", "refs/gitml-tmp/x", commit)
        found = subprocess.run(
            ["git", "-C", repo, "fsck", "--strict"], capture_output=True, text=True, check=False
        )
        assert "gitattributesLineLength" in found.stderr, name


@given(
    st.lists(st.sampled_from(["a", "a~", "a/b", "a~/b", "a~~", "a/b~", "a/b/c", ".gitattributes"]))
)
def test_stored_paths_never_meet(paths):
    from gitml.store.state import stored_paths

    placed = stored_paths(paths)
    assert set(placed) == set(paths)
    assert len(set(placed.values())) == len(placed)
    for one, other in itertools.permutations(placed.values(), 2):
        assert not other.startswith(f"{one}/")


def test_run_names_are_names():
    rng = random.Random(3)
    for _ in range(200):
        name = names.run_name(rng)
        assert names.check_name(name, "run") == name
        assert names.slugify(name) == name


def test_words_nearby():
    assert names.nearest("acuracy", ["accuracy", "loss"]) == ["accuracy"]
    assert names.nearest("LOSS", ["loss"]) == ["loss"]
    assert names.did_you_mean("zzz", ["accuracy"]) is None
    assert names.nearest("brave", ["calm-otter-1", "brave-otter-12"]) == ["brave-otter-12"]
    assert "\x1b" not in (names.did_you_mean("a\x1bb", ["a\x1bbc"]) or "")
    assert names.plural(1, "run") == "1 run"
    assert names.plural(1000, "entry", "entries") == "1,000 entries"
