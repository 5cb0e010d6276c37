"""What this machine says of its processes: whether one runs, and since when."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path


def boot_id() -> str:
    """Return what tells one boot of this machine from another; empty where unknown."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def started(pid: int) -> int:
    """Return a process's start in clock ticks since boot (proc(5)), or 0."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        return int(stat.rpartition(")")[2].split()[19])
    return 0


def runs(pid: int) -> bool:
    """Say whether a process has this number. Raises `PermissionError` if it is somebody else's."""
    if sys.platform == "win32":
        return _runs_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if sys.platform == "win32":  # there ``os.kill(pid, 0)`` is a Ctrl-C to a whole group of processes
    import ctypes

    _QUERY, _DENIED, _STILL_ACTIVE = 0x1000, 5, 259

    def _runs_on_windows(pid: int) -> bool:
        # https://learn.microsoft.com/windows/win32/api/processthreadsapi/
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(kernel.OpenProcess(_QUERY, False, pid))
        if handle.value is None:
            if ctypes.get_last_error() == _DENIED:
                raise PermissionError(_DENIED, "the process is somebody else's")
            return False
        try:
            code = ctypes.c_ulong()
            kernel.GetExitCodeProcess(handle, ctypes.byref(code))
            return code.value == _STILL_ACTIVE
        finally:
            kernel.CloseHandle(handle)
