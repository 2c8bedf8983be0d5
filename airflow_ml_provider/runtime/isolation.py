"""A stage on the local runner cannot look into other processes of its user, where Linux has Landlock.

A process in a Landlock domain may ptrace only what is in the domain, and the kernel asks that same question before it
shows ``environ``, ``mem``, ``cwd`` or ``exe`` of a process in ``/proc``.

Source: https://docs.kernel.org/userspace-api/landlock.html, "Ptrace restrictions". It does not hold for a root that
has ``CAP_PERFMON`` or ``CAP_SYS_ADMIN``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys

# The numbers are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_NO_NEW_PRIVILEGES = 38
# A domain must restrict one action on files at least: creating block devices, which needs root without it.
_MAKE_BLOCK_DEVICE = 1 << 11
# Renames and links between folders are denied where no rule allows them, which versions before the second cannot.
_REFER = 1 << 13
_LEAST_VERSION = 2


def isolate() -> bool:
    """Put this process, and those that it will start, into a domain of their own.

    From then on none of them gains rights by a set-user-ID program such as ``sudo``, mounts file systems, or attaches
    a debugger to a process outside the domain.

    Returns:
        Whether it is in one: not on a system without Landlock, nor with its first version (Linux before 5.19), in
        which nothing could be renamed from one folder to another.
    """
    if sys.platform != "linux":
        return False
    rules = struct.pack("Q", _MAKE_BLOCK_DEVICE | _REFER)
    try:
        if _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION)) < _LEAST_VERSION:
            return False
        descriptor = _call(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint(0))
        root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        anywhere = struct.pack("=Qi", _REFER, root)
        _call(_ADD_RULE, ctypes.c_int(descriptor), ctypes.c_int(_PATH_BENEATH), anywhere, ctypes.c_uint(0))
        # The kernel asks for this of who has no CAP_SYS_ADMIN.
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _call(_RESTRICT_SELF, ctypes.c_int(descriptor), ctypes.c_uint(0))
    except OSError:
        return False
    finally:
        os.close(root)
        os.close(descriptor)
    return True


def isolate_or_say() -> None:
    """Put this process into a domain of its own, and print where the system has none."""
    if not isolate():
        print(
            "This system has no Landlock, so what runs here can look into other processes of its user: "
            "say [ml] isolate_stages = False where that is well",
            flush=True,
        )


def _call(number: int, *arguments: object) -> int:
    found: int = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments)
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


if __name__ == "__main__":
    isolate_or_say()
    # Python ignores both, and a program that it starts would too.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error.strerror}")
