"""The edge of tracking: machine, interpreter, command line, clock and randomness.

Below the commands only this module reads the process's environment, so that
everything else can be given fixed values.

For tests only, two variables make a process predictable: ``GITML_TEST_SEED``
(any text) seeds every id, token and name; ``GITML_TEST_CLOCK`` (ISO 8601) is
the time of the first look at the clock, and each look is one second later.
"""

from __future__ import annotations

import functools
import itertools
import os
import random
import re
import shutil
import sys
import time
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gitml import model, redact
from gitml.errors import InputError
from gitml.names import visible
from gitml.redact import strip_credentials as strip_credentials  # noqa: PLC0414
from gitml.tracking.packages import requirements as requirements  # noqa: PLC0414 - a re-export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

DEFAULT_VARIABLES: tuple[str, ...] = (
    "CI",
    "CONDA_DEFAULT_ENV",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    "GITHUB_REPOSITORY",
    "GITHUB_RUN_ID",
    "HIP_VISIBLE_DEVICES",
    "LOCAL_RANK",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NVIDIA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTORCH_CUDA_ALLOC_CONF",
    "RANK",
    "ROCR_VISIBLE_DEVICES",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_ID",
    "SLURM_JOB_PARTITION",
    "SLURM_NTASKS",
    "SLURM_PROCID",
    "TF_DETERMINISTIC_OPS",
    "WORLD_SIZE",
    "XLA_FLAGS",
)
"""What changes results or says where a job ran, and is nobody's secret."""

_SECRET_VARIABLES = (
    *("*TOKEN*", "*SECRET*", "*PASSWORD*", "*KEY*", "*CREDENTIAL*"),
    *("*PASSWD*", "*PASSPHRASE*", "*_PASS", "*_PWD"),
)
_TEXT_LIMIT = 4000
_ARGUMENTS_LIMIT = 500
_NVIDIA_SMI_SECONDS = 2.0
_PROC = Path("/proc")
_BLOCK = 4096


def now_ms() -> int:
    """Return the time in milliseconds since 1970-01-01 UTC."""
    clock = _test_clock()
    return time.time_ns() // 1_000_000 if clock is None else next(clock)


def rng() -> random.Random:
    """Return the source of ids and names: the system's, or the seeded one of a test."""
    return _rng()


def new_run_id(source: random.Random | None = None) -> str:
    """Return 32 lower-case hex digits, a random (version 4) UUID."""
    bits = (source or _rng()).getrandbits(128)
    bits = bits & ~(0xF << 76) | 0x4 << 76  # version, RFC 9562 section 5.4
    bits = bits & ~(0x3 << 62) | 0x2 << 62  # variant
    return f"{bits:032x}"


def token(nbytes: int = 8) -> str:
    """Return ``2 * nbytes`` random hex digits."""
    return f"{_rng().getrandbits(8 * nbytes):0{2 * nbytes}x}"


def forget() -> None:
    """Read the environment anew at the next call: for tests that share a process."""
    for cached in (_test_clock, _rng, _machine):
        cached.cache_clear()


@functools.cache
def _test_clock() -> Iterator[int] | None:
    start = os.environ.get("GITML_TEST_CLOCK")
    if not start:
        return None
    try:
        return itertools.count(model.from_iso(start), 1000)
    except ValueError:
        raise InputError(
            f"GITML_TEST_CLOCK is {visible(start, 40)}, which is no time.",
            hint="Give an ISO 8601 time such as 2026-01-02T03:04:05Z, or unset it.",
        ) from None


@functools.cache
def _rng() -> random.Random:
    seed = os.environ.get("GITML_TEST_SEED")
    return random.Random(seed) if seed else random.SystemRandom()  # noqa: S311 - tests ask for it


def environment(allow: Sequence[str] = DEFAULT_VARIABLES) -> model.Environment:
    """Return this machine and interpreter, and the variables that ``allow`` names.

    ``allow`` holds names or patterns such as ``SLURM_*``. What is named like a
    secret (``*TOKEN*``, ``*KEY*`` …) is left out whatever the patterns say. The
    machine is looked at once a process, the variables each time.
    """
    python, platform, host, cpu, gpu = _machine()
    return model.Environment(
        python=python,
        platform=platform,
        host=host,
        cpu=cpu,
        gpu=gpu,
        variables={
            name: redact.mask(_text(value))
            for name, value in sorted(os.environ.items())
            if any(fnmatchcase(name, pattern) for pattern in allow) and not _is_secret(name)
        },
    )


def _is_secret(variable: str) -> bool:
    upper = variable.upper()
    return any(fnmatchcase(upper, pattern) for pattern in _SECRET_VARIABLES)


def _text(raw: str) -> str:
    """Return what the system gave as text that can be stored, at most 4,000 characters."""
    text = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"


@functools.cache
def _machine() -> tuple[str, str, str, str, str | None]:
    name = sys.implementation.name
    name = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}.get(name, name)
    return f"{name} {sys.version.split()[0]}", _platform(), _host(), _cpu(), _gpu()


def _platform() -> str:
    if sys.platform in {"darwin", "win32"}:
        import platform

        if sys.platform == "darwin":
            return f"macOS {platform.mac_ver()[0]} {platform.machine()}"
        return f"Windows {platform.version()} {platform.machine()}"
    name = os.uname()
    return f"{name.sysname} {name.release} {name.machine}"


def _host() -> str:
    if sys.platform == "win32":
        return os.environ.get("COMPUTERNAME", "localhost")
    return os.uname().nodename or "localhost"


def _cpu() -> str:
    """Return the model, the logical processors (those this process may use) and the memory."""
    model_name = _sysctl("machdep.cpu.brand_string") or _cpu_model(_PROC)
    if not model_name:
        import platform

        model_name = platform.processor() or platform.machine() or "unknown processor"
    count = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    parts = [model_name, f"{usable} of {count} threads" if usable < count else f"{count} threads"]
    with suppress(AttributeError, ValueError, OSError):  # no sysconf on Windows
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        parts.append(f"{memory / 2**30:.3g} GiB")
    return ", ".join(parts)


def _cpu_model(proc: Path) -> str | None:
    """Return the model in ``proc/cpuinfo``; the first block does, unless it is ARM's or s390's."""
    with suppress(OSError), (proc / "cpuinfo").open("rb", buffering=0) as file:
        text = file.read(_BLOCK)
        for names in (rb"model name|cpu model|cpu|uarch", rb"Model|Hardware|Processor"):
            if found := re.search(rb"^(?:%b)\s*:\s*(\S.*)" % names, text, re.MULTILINE):
                return " ".join(found[1].decode("utf-8", "replace").split())
            text += file.read()
    return None


def _sysctl(name: str) -> str | None:
    """Return a text that macOS's kernel keeps, without a process for it."""
    if sys.platform != "darwin":
        return None
    import ctypes

    buffer, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
    libc = ctypes.CDLL(None)
    failed = libc.sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0))
    return None if failed else buffer.value.decode("utf-8", "replace") or None


def _gpu() -> str | None:
    models = _nvidia_driver(_PROC) or _nvidia_smi()
    if not models and (chip := _sysctl("machdep.cpu.brand_string") or "").startswith("Apple"):
        models = [f"{chip} GPU"]
    counted = {name: models.count(name) for name in dict.fromkeys(models)}
    return ", ".join(f"{n} × {name}" if n > 1 else name for name, n in counted.items()) or None


def _nvidia_driver(proc: Path) -> list[str]:
    """Return the models that the Linux driver lists, which needs no process and no CUDA."""
    models = []
    for path in sorted(proc.glob("driver/nvidia/gpus/*/information")):
        with suppress(OSError):
            text = path.read_text(encoding="utf-8", errors="replace")
            models += re.findall(r"^Model:\s*(\S.*?)\s*$", text, re.MULTILINE)
    return models


def _nvidia_smi() -> list[str]:
    """Return the models that ``nvidia-smi`` lists if it is there and answers in time."""
    if program := shutil.which("nvidia-smi"):
        import subprocess

        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [program, "--query-gpu=name", "--format=csv,noheader"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                encoding="utf-8",
                errors="replace",
                timeout=_NVIDIA_SMI_SECONDS,
            )
            return [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return []


def command_line() -> tuple[str, ...]:
    """Return how this process was started, secrets masked; nothing in a notebook.

    The interpreter is given by its name only, because where it lives is another
    place on every machine.
    """
    arguments = [_text(argument) for argument in sys.orig_argv]
    if not arguments or any("kernel_launcher" in argument for argument in arguments[1:3]):
        return ()
    arguments[0] = re.split(r"[/\\]", arguments[0])[-1]
    kept = redact.mask_arguments(arguments[:_ARGUMENTS_LIMIT])
    more = len(arguments) - len(kept)
    return (*kept, f"… and {more} more") if more else kept


def script() -> Path | None:
    """Return the absolute path of the program; None in a prompt, a notebook or ``-c``."""
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    if not name:
        return None
    path = Path(name).absolute()
    return path if path.is_file() else None


def author_variables() -> str | None:
    """Return the author that git's own variables name, as CI sets them; None without both."""
    name, email = os.environ.get("GIT_AUTHOR_NAME"), os.environ.get("GIT_AUTHOR_EMAIL")
    return f"{_text(name)} <{_text(email)}>" if name and email else None


def author_fallback() -> str:
    """Return ``user <user@host>``, for when git knows no ``user.name``."""
    user = ""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        user = user or os.environ.get(variable, "")
    if not user and sys.platform != "win32":
        import pwd

        with suppress(KeyError):  # a container may run as a number without a name
            user = pwd.getpwuid(os.getuid()).pw_name
    clean = re.sub(r"[\s<>,;@\x00-\x1f]+", "-", _text(user)).strip("-.") or "unknown"
    return f"{clean} <{clean}@{_host()}>"


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` from the root of the file system, ``..`` and ``~`` taken out.

    Links are left alone; a ``~`` that is nobody's home is a name like any other.
    """
    whole = Path(path)
    with suppress(RuntimeError):
        whole = whole.expanduser()
    return Path(os.path.abspath(whole))  # noqa: PTH100 - resolve follows links


def shortened(path: Path) -> str:
    """Return an absolute path with ``/`` between parts, the home directory as ``~``."""
    with suppress(RuntimeError, ValueError):  # no home, or not in it
        return (Path("~") / path.relative_to(Path.home())).as_posix()
    return path.as_posix()


def variable(name: str) -> str | None:
    """Return an environment variable of gitml's own (``GITML_REPO`` …), None if empty."""
    return os.environ.get(name) or None


def working_folder() -> Path:
    """Return the working directory; raise `InputError` if it was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise InputError("The working directory is gone.", hint="Change to another one.") from None


def watch_end(note: Callable[[BaseException, bool], None]) -> None:
    """Tell ``note`` of an exception that nobody catches, and (with True) of ``sys.exit``.

    No hook of Python's is told of the latter, so the function itself is wrapped;
    somebody may still catch what it raises.
    """
    uncaught, leave = sys.excepthook, sys.exit

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        note(error, False)
        uncaught(kind, error, trace)

    @functools.wraps(leave)
    def leaving(status: Any = None) -> NoReturn:
        note(SystemExit(status), True)
        leave(status)

    sys.excepthook, sys.exit = excepthook, leaving
