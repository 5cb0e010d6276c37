"""Metrics of the machine while a run lasts: CPU, memory, disk, network and GPUs.

psutil is the extra ``system``; GPUs are asked of ``nvidia-smi`` where it is.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from gitml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Sample = Iterator[tuple[str, float]]

_SHORTEST_SPAN = 0.05
"""Seconds that a CPU percentage needs: the kernel counts in hundredths."""
_FIRST_AFTER = 0.1
_STOP_WITHIN = 5.0
_NVIDIA_SMI_SECONDS = 2.0
_MB = 1e6


class Sampler:
    """Calls ``emit(name, value)`` on a thread of its own, until it is stopped.

    The first sample comes at once (as soon as a percentage means something), the
    next every ``interval`` seconds, and one at the end, so that short runs have
    data. Names and units:

    - ``system/cpu_percent``: of all processors, since the sample before
    - ``system/memory_percent``: of the machine's memory
    - ``system/memory_mb``: resident memory of this process and its children
    - ``system/disk_read_mb``, ``system/disk_write_mb``,
      ``system/network_sent_mb``, ``system/network_received_mb``: of the machine,
      since the start
    - ``system/gpu0_percent``, ``system/gpu0_memory_mb`` …: of each NVIDIA GPU

    One MB is 1,000,000 bytes. What fails is left out and never reaches the
    training; `failure` keeps the last reason. Raises `InputError` without psutil.
    """

    def __init__(self, emit: Callable[[str, float], None], interval: float = 10.0) -> None:
        """Take where samples go, and the seconds between them."""
        if not 0 < interval <= threading.TIMEOUT_MAX:
            raise InputError(
                f"The interval between samples cannot be {interval} s.",
                hint="Give seconds, more than 0.",
            )
        self._psutil = _psutil()
        self._emit = emit
        self._interval = interval
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self.failure: str | None = None
        """Why a metric is missing, None if none is."""

    def start(self) -> None:
        """Begin; a sampler starts once, and again does nothing."""
        if self._thread is None:
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._run, name="gitml-sampler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Take the last sample and end the thread; again, or in a forked child, does nothing."""
        self._ended.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(_STOP_WITHIN)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        probes: list[Callable[[], Sample]] = []
        for make in (cpu_probe, memory_probe, traffic_probe):
            with self._reasons_kept():
                probes.append(make(self._psutil))
        if program := shutil.which("nvidia-smi"):
            probes.append(gpu_probe(program))
        wait = min(_FIRST_AFTER, self._interval)
        while not self._ended.wait(wait):
            self._sample(probes)
            wait = self._interval
        self._sample(probes)

    def _sample(self, probes: list[Callable[[], Sample]]) -> None:
        for probe in probes:
            with self._reasons_kept():
                for name, value in probe():
                    self._emit(f"system/{name}", value)

    @contextmanager
    def _reasons_kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a sample must never end a training
            self.failure = f"{type(error).__name__}: {error}"


def _psutil() -> Any:
    try:
        return importlib.import_module("psutil")
    except ImportError:
        raise InputError(
            "System metrics need psutil, which is not installed.",
            hint="pip install 'gitml[system]'",
        ) from None


def cpu_probe(psutil: Any) -> Callable[[], Sample]:
    """Return a probe of the use of all processors since its last sample."""
    psutil.cpu_percent(None)  # what the first percentage is measured from
    last = time.monotonic()

    def sample() -> Sample:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SHORTEST_SPAN:
            last = now
            yield "cpu_percent", float(psutil.cpu_percent(None))

    return sample


def memory_probe(psutil: Any) -> Callable[[], Sample]:
    """Return a probe of memory; pages that processes share count once for each."""
    process = psutil.Process()

    def sample() -> Sample:
        yield "memory_percent", float(psutil.virtual_memory().percent)
        total = process.memory_info().rss
        for child in process.children(recursive=True):
            with suppress(psutil.Error):  # it ended, or is somebody else's
                total += child.memory_info().rss
        yield "memory_mb", total / _MB

    return sample


def traffic_probe(psutil: Any) -> Callable[[], Sample]:
    """Return a probe of what disks and network moved since it was made."""
    # In some containers there is neither: None, or an error.
    disk, network = psutil.disk_io_counters(), psutil.net_io_counters()

    def sample() -> Sample:
        if disk and (now := psutil.disk_io_counters()):
            yield "disk_read_mb", (now.read_bytes - disk.read_bytes) / _MB
            yield "disk_write_mb", (now.write_bytes - disk.write_bytes) / _MB
        if network and (now := psutil.net_io_counters()):
            yield "network_sent_mb", (now.bytes_sent - network.bytes_sent) / _MB
            yield "network_received_mb", (now.bytes_recv - network.bytes_recv) / _MB

    return sample


def gpu_probe(program: str) -> Callable[[], Sample]:
    """Return a probe of the NVIDIA GPUs that ``nvidia-smi`` lists."""
    fields = "index,utilization.gpu,memory.used"

    def sample() -> Sample:
        done = subprocess.run(
            [program, f"--query-gpu={fields}", "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            encoding="utf-8",
            errors="replace",
            timeout=_NVIDIA_SMI_SECONDS,
        )
        for line in done.stdout.splitlines():
            index, percent, mebibytes = (cell.strip() for cell in line.split(","))
            with suppress(ValueError):  # [N/A]: a GPU cut into instances has no percentage
                yield f"gpu{index}_percent", float(percent)
            with suppress(ValueError):
                yield f"gpu{index}_memory_mb", float(mebibytes) * 2**20 / _MB

    return sample
