"""System metrics while a run lasts."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from gitml.errors import InputError
from gitml.tracking import sampling
from gitml.tracking.sampling import Sampler

psutil = pytest.importorskip("psutil")


@pytest.fixture(autouse=True)
def _no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    monkeypatch.setattr(sampling, "_NVIDIA_SMI_SECONDS", 60.0)  # its stand-in may have to wait


def collected():
    points = []
    return points, lambda name, value: points.append((name, value))


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_samples_come_at_the_start_between_and_at_the_end():
    points, emit = collected()
    with Sampler(emit, interval=0.05):
        assert until(lambda: len([n for n, _ in points if n == "system/cpu_percent"]) >= 3)
        before = len(points)
    assert len(points) > before
    assert not any(thread.name == "gitml-sampler" for thread in threading.enumerate())
    found = dict(points)
    assert {"system/cpu_percent", "system/memory_percent", "system/memory_mb"} <= found.keys()
    assert 0 <= found["system/cpu_percent"] <= 100
    assert 0 < found["system/memory_percent"] <= 100
    assert all(isinstance(value, float) and value >= 0 for _, value in points)


def test_a_short_run_has_data():
    points, emit = collected()
    sampler = Sampler(emit)
    sampler.start()
    sampler.stop()
    assert [n for n, _ in points].count("system/memory_mb") == 1


def test_the_first_sample_does_not_wait_for_the_interval():
    points, emit = collected()
    with Sampler(emit, interval=3600):
        assert until(lambda: "system/cpu_percent" in dict(points))


def test_memory_is_that_of_this_process_and_its_children():
    points, emit = collected()
    hold = "x = bytearray(200_000_000); print('held', flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout.readline() == b"held\n"
        with Sampler(emit, interval=3600):
            pass
        child.stdin.close()
    own = psutil.Process().memory_info().rss / 1e6
    assert own + 150 < dict(points)["system/memory_mb"] < own + 400


def test_starting_and_stopping_twice_is_once():
    points, emit = collected()
    sampler = Sampler(emit, interval=3600)
    sampler.stop()
    assert points == []
    sampler = Sampler(emit, interval=3600)
    sampler.start()
    sampler.start()
    assert [t.name for t in threading.enumerate()].count("gitml-sampler") == 1
    sampler.stop()
    count = len(points)
    sampler.stop()
    assert len(points) == count


def test_a_failure_never_reaches_the_training():
    calls = []

    def emit(name, value):
        calls.append(name)
        raise OSError("disk full")

    with Sampler(emit, interval=0.02) as sampler:
        assert until(lambda: len(calls) > 12)
    assert sampler.failure == "OSError: disk full"
    assert "system/memory_percent" in calls


def test_a_machine_without_counters_has_the_other_metrics(monkeypatch):
    def absent():
        raise NotImplementedError("no /proc/diskstats")

    monkeypatch.setattr(psutil, "disk_io_counters", absent)
    points, emit = collected()
    with Sampler(emit, interval=3600) as sampler:
        pass
    assert "system/memory_mb" in dict(points)
    assert not any("disk" in name for name, _ in points)
    assert sampler.failure == "NotImplementedError: no /proc/diskstats"


def test_traffic_counts_from_the_start(monkeypatch):
    moved = itertools.count(5)

    def counters():
        n = next(moved)
        disk = {"read_bytes": n * 1_000_000, "write_bytes": n * 2_000_000}
        return SimpleNamespace(**disk, bytes_sent=n * 3_000_000, bytes_recv=n * 4_000_000)

    monkeypatch.setattr(psutil, "disk_io_counters", counters)
    monkeypatch.setattr(psutil, "net_io_counters", counters)
    points, emit = collected()
    with Sampler(emit, interval=3600):
        pass
    # Made at 5 (disk) and 6 (network), looked at again at 7 and 8.
    assert {
        n.removeprefix("system/"): v for n, v in points if "mem" not in n and "cpu" not in n
    } == {
        "disk_read_mb": 2.0,
        "disk_write_mb": 4.0,
        "network_sent_mb": 6.0,
        "network_received_mb": 8.0,
    }


@pytest.mark.skipif(os.name != "posix", reason="programs are shell scripts")
def test_gpus(tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\ntest "$2" = --format=csv,noheader,nounits || exit 1\n'
        "echo '0, 37, 1024'\necho '1, [N/A], 20'\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    points, emit = collected()
    with Sampler(emit, interval=3600):
        pass
    assert {name: value for name, value in points if "gpu" in name} == {
        "system/gpu0_percent": 37.0,
        "system/gpu0_memory_mb": 1073.741824,
        "system/gpu1_memory_mb": 20.97152,
    }


@pytest.mark.skipif(os.name != "posix", reason="programs are shell scripts")
def test_a_broken_nvidia_smi_is_only_noted(tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")
    program.chmod(0o755)
    points, emit = collected()
    with Sampler(emit, interval=3600) as sampler:
        pass
    assert "system/memory_mb" in dict(points)
    assert "status 9" in sampler.failure


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_stops_without_a_sample():
    points, emit = collected()
    with Sampler(emit, interval=3600) as sampler:
        assert until(lambda: points)
        before = len(points)
        pid = os.fork()
        if pid == 0:
            sampler.stop()
            os._exit(0 if len(points) == before else 1)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
def test_an_interval_that_is_none_is_refused(interval):
    with pytest.raises(InputError, match="interval"):
        Sampler(lambda _n, _v: None, interval=interval)


def test_without_psutil_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(InputError, match="psutil") as caught:
        Sampler(lambda _n, _v: None)
    assert caught.value.hint == "pip install 'gitml[system]'"
