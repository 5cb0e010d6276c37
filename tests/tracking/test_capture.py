"""The edge: machine, interpreter, command line, clock and randomness."""

from __future__ import annotations

import getpass
import json
import os
import platform
import random
import re
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from gitml.errors import InputError
from gitml.names import is_run_id
from gitml.tracking import capture


@pytest.fixture(autouse=True)
def _anew():
    capture.forget()
    yield
    capture.forget()


def program(tmp_path, text, name="train.py"):
    path = tmp_path / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    path.chmod(0o755)
    return path


def answer(*arguments, **options):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        check=True,
        **options,
    )
    return json.loads(done.stdout)


def test_the_machine_is_this_one():
    found = capture.environment(())
    assert found.python == f"{platform.python_implementation()} {platform.python_version()}"
    assert found.host == socket.gethostname()
    assert platform.machine() in found.platform
    assert re.search(r"\b\d+ threads\b", found.cpu)
    assert found.variables == {}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_cpu_has_model_threads_and_memory():
    total = int(re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text("utf-8"))[1])
    _, *parts = capture.environment().cpu.split(", ")
    assert parts[-1] == f"{total / 2**20:.3g} GiB"
    assert str(os.cpu_count()) in parts[-2]


@pytest.mark.parametrize(
    "cpuinfo,model",
    [
        ("processor\t: 0\nmodel\t\t: 2\nmodel name\t: AMD  EPYC\nflags\t: x\n", "AMD EPYC"),
        ("processor : 0\nBogoMIPS : 108.00\n\nHardware : BCM2835\nModel : Pi 4\n", "BCM2835"),
        ("processor\t: 0\ncpu\t\t: POWER9, altivec supported\n", "POWER9, altivec supported"),
        ("processor\t: 0\nhart\t: 1\nuarch\t: sifive,u74-mc\n", "sifive,u74-mc"),
        (
            "processor : 0\nFeatures : fp asimd\n\n" * 200 + "Model : Raspberry Pi 5\n",
            "Raspberry Pi 5",
        ),
        ("processor\t: 0\nBogoMIPS\t: 50.00\n", None),
    ],
)
def test_the_model_of_a_cpu(tmp_path, cpuinfo, model):
    (tmp_path / "cpuinfo").write_text(cpuinfo, encoding="utf-8")
    assert capture._cpu_model(tmp_path) == model


def test_no_proc_is_no_model(tmp_path):
    assert capture._cpu_model(tmp_path) is None
    assert capture._nvidia_driver(tmp_path) == []


def test_gpus_come_from_the_driver(tmp_path, monkeypatch):
    for bus, model in {
        "0000:01:00.0": "A100",
        "0000:02:00.0": "T4",
        "0000:03:00.0": "A100",
    }.items():
        folder = tmp_path / "driver/nvidia/gpus" / bus
        folder.mkdir(parents=True)
        text = f"Model: \t\t NVIDIA {model}\nIRQ:   \t\t 96\nGPU UUID: \t GPU-1\n"
        (folder / "information").write_text(text, encoding="utf-8")
    monkeypatch.setattr(capture, "_PROC", tmp_path)
    assert capture._gpu() == "2 × NVIDIA A100, NVIDIA T4"


@pytest.mark.skipif(os.name != "posix", reason="programs are shell scripts")
class TestNvidiaSmi:
    @pytest.fixture
    def smi(self, tmp_path, monkeypatch):
        def write(body):
            program(tmp_path, f"#!/bin/sh\n{body}\n", "nvidia-smi")
            monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
            monkeypatch.setattr(capture, "_PROC", tmp_path)
            monkeypatch.setattr(capture, "_NVIDIA_SMI_SECONDS", 60.0)  # it may have to wait

        return write

    def test_is_asked_without_a_driver_in_proc(self, smi):
        smi('test "$1" = --query-gpu=name && printf "Tesla T4\\nTesla T4\\n"')
        assert capture.environment().gpu == "2 × Tesla T4"

    @pytest.mark.parametrize("body", ["echo No devices were found; exit 6", "exit 0"])
    def test_without_a_gpu(self, smi, body):
        smi(body)
        assert capture.environment().gpu is None

    def test_that_hangs_is_left_alone(self, smi, monkeypatch):
        smi("exec sleep 600")
        monkeypatch.setattr(capture, "_NVIDIA_SMI_SECONDS", 0.1)
        start = time.monotonic()
        assert capture.environment().gpu is None
        assert time.monotonic() - start < 60


def test_variables_only_from_the_list(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_NODEID", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert capture.environment(["SLURM_*"]).variables == {"SLURM_JOB_ID": "17", "SLURM_NODEID": "3"}
    found = capture.environment().variables
    assert (found["OMP_NUM_THREADS"], found["SLURM_JOB_ID"]) == ("4", "17")
    assert "SLURM_NODEID" not in found
    assert found.keys() <= set(capture.DEFAULT_VARIABLES)


def test_variables_are_read_again_for_each_run(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    assert capture.environment().variables["RANK"] == "0"
    monkeypatch.setenv("RANK", "1")
    assert capture.environment().variables["RANK"] == "1"


@pytest.mark.parametrize(
    "name",
    [
        *("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MYSQL_PASSWORD", "GOOGLE_APPLICATION_CREDENTIALS"),
        *("WANDB_API_KEY", "wandb_api_key", "PGPASSWD", "SSH_PASSPHRASE", "DB_PASS", "MYSQL_PWD"),
    ],
)
def test_a_secret_is_never_recorded_even_when_it_is_named(monkeypatch, name):
    monkeypatch.setenv(name, "hunter2")
    assert capture.environment([name, "*"]).variables.get(name) is None


def test_a_secret_in_a_value_is_masked(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:hunter2@pypi.example/simple")
    found = capture.environment(["PIP_INDEX_*"]).variables
    assert found == {"PIP_INDEX_URL": "https://pypi.example/simple"}


@pytest.mark.skipif(os.name != "posix", reason="bytes in the environment")
def test_a_value_that_cannot_be_stored_is_mended(monkeypatch):
    monkeypatch.setenv("CI", os.fsdecode(b"caf\xe9"))
    monkeypatch.setenv("RANK", "9" * 10_000)
    found = capture.environment().variables
    assert found["CI"] == "caf\ufffd"
    assert len(found["RANK"]) == 4000
    assert found["RANK"].endswith("9…")


SAY = """
    import json, sys
    sys.path[:0] = {path!r}
    from gitml.tracking import capture
    print(json.dumps([list(capture.command_line()), str(capture.script())]))
"""
INTERPRETER = Path(sys.executable).name


def say():
    return textwrap.dedent(SAY).format(path=[p for p in sys.path if p])


def test_the_command_line_and_script_of_a_program(tmp_path):
    path = program(tmp_path, say())
    arguments = ["--lr", "0.1", "--token", "hunter2", "--password=x y", "s3://k:s@b/x", "ü"]
    line, script = answer("-u", "train.py", *arguments, cwd=tmp_path)
    shown = ["--lr", "0.1", "--token", "***", "--password=***", "s3://b/x", "ü"]
    assert line == [INTERPRETER, "-u", "train.py", *shown]
    assert script == str(path)


def test_the_script_of_a_module_and_of_none(tmp_path):
    path = program(tmp_path, say(), "mod.py")
    assert answer("-m", "mod", "x", cwd=tmp_path) == [[INTERPRETER, "-m", "mod", "x"], str(path)]
    line, script = answer("-c", say(), "x")
    assert (line[0], line[1], line[-1], script) == (INTERPRETER, "-c", "x", "None")
    assert answer("-", input=say()) == [[INTERPRETER, "-"], "None"]


def test_a_notebook_has_no_command_line(monkeypatch):
    argv = ["/usr/bin/python3", "-m", "ipykernel_launcher", "-f", "/run/kernel-1.json"]
    monkeypatch.setattr(sys, "orig_argv", argv)
    assert capture.command_line() == ()


def test_a_command_line_without_end_is_cut(monkeypatch):
    monkeypatch.setattr(
        sys, "orig_argv", ["/usr/bin/python3", "a.py", *["x.png"] * 10_000, "-z" * 9000]
    )
    line = capture.command_line()
    assert line[:3] == ("python3", "a.py", "x.png")
    assert (len(line), line[-1]) == (501, "… and 9503 more")
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "z" * 9000])
    assert capture.command_line()[-1] == "z" * 3999 + "…"


def test_the_author_without_git_is_the_user(monkeypatch):
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    name, host = getpass.getuser(), socket.gethostname()
    assert capture.author_fallback() == f"{name} <{name}@{host}>"
    monkeypatch.setenv("LOGNAME", "EXAMPLE\\ann <x@y>\n")
    assert capture.author_fallback() == f"EXAMPLE\\ann-x-y <EXAMPLE\\ann-x-y@{host}>"
    monkeypatch.setenv("LOGNAME", "<>")
    assert capture.author_fallback() == f"unknown <unknown@{host}>"


def test_the_clock_is_the_time():
    before = time.time_ns() // 1_000_000
    assert before <= capture.now_ms() <= time.time_ns() // 1_000_000


def test_ids_are_random_version_4_uuids():
    ids = {capture.new_run_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(is_run_id(i) and i[12] == "4" and i[16] in "89ab" for i in ids)
    assert capture.new_run_id(random.Random(1)) == capture.new_run_id(random.Random(1))


def test_a_token_has_two_digits_a_byte():
    assert all(re.fullmatch(r"[0-9a-f]{16}", capture.token(8)) for _ in range(500))
    assert len({capture.token(8) for _ in range(500)}) == 500
    assert len(capture.token(3)) == 6


LOOK = """
import json
from gitml.tracking import capture
print(json.dumps([capture.now_ms(), capture.now_ms(), capture.new_run_id(), capture.token(4),
                  capture.rng().randint(1, 99)]))
"""


def test_a_seed_and_a_clock_make_processes_equal(tmp_path):
    def look(seed, clock="2026-01-02T03:04:05Z"):
        changed = {"GITML_TEST_SEED": seed, "GITML_TEST_CLOCK": clock}
        path = os.pathsep.join(p for p in sys.path if p)
        return answer("-c", LOOK, env={**os.environ, **changed, "PYTHONPATH": path})

    first = look("1")
    assert first == look("1")
    assert first[:2] == [1767323045000, 1767323046000]
    assert first[2][12] == "4"
    other = look("2", clock="2026-01-02T03:04:05+01:00")
    assert other[0] == first[0] - 3_600_000
    assert other[2:4] != first[2:4]


def test_a_process_that_forgets_starts_anew(monkeypatch):
    monkeypatch.setenv("GITML_TEST_SEED", "7")
    monkeypatch.setenv("GITML_TEST_CLOCK", "2026-01-02T03:04:05Z")
    first = (capture.now_ms(), capture.new_run_id())
    assert (capture.now_ms(), capture.new_run_id()) != first
    capture.forget()
    assert (capture.now_ms(), capture.new_run_id()) == first


def test_a_clock_that_is_no_time_is_refused(monkeypatch):
    monkeypatch.setenv("GITML_TEST_CLOCK", "noon\x1b")
    with pytest.raises(InputError, match=r"(?m)GITML_TEST_CLOCK is noon\\x1b, which is no time\.$"):
        capture.now_ms()


def test_paths_are_made_absolute_without_following_links(tmp_path, monkeypatch, home):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(tmp_path)
    assert capture.absolute("link/../x/./y") == tmp_path / "x/y"
    assert capture.absolute("link") == tmp_path / "link"
    assert capture.absolute("~/z") == home / "z"
    assert capture.absolute("~nobody's.csv") == tmp_path / "~nobody's.csv"


def test_the_home_directory_is_a_tilde(tmp_path, home):
    assert capture.shortened(home / "data" / "x.csv") == "~/data/x.csv"
    assert capture.shortened(home) == "~"
    assert capture.shortened(tmp_path) == tmp_path.as_posix()
