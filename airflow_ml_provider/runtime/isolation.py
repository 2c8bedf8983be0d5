"""A stage on the local runner cannot look into other processes of its user, where Linux has Landlock.

A process in a Landlock domain may ptrace only what is in the domain, and the kernel asks that same question before it
shows ``environ``, ``mem``, ``cwd`` or ``exe`` of a process in ``/proc``.

Source: https://docs.kernel.org/userspace-api/landlock.html (Linux 5.13 and later), "Ptrace restrictions". It does not
hold for a root that has ``CAP_PERFMON`` or ``CAP_SYS_ADMIN``.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

# The numbers are the same on every architecture.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_VERSION = 1
_NO_NEW_PRIVILEGES = 38
# A domain must restrict one action on files at least: creating block devices, which needs root without it.
_MAKE_BLOCK_DEVICE = 1 << 11


def isolate() -> bool:
    """Put this process, and those that it will start, into a domain of their own.

    From then on none of them gains rights by a set-user-ID program such as ``sudo``, mounts file systems, or attaches
    a debugger to a process outside the domain.

    Returns:
        Whether it is in one: not on a system without Landlock.
    """
    if sys.platform != "linux":
        return False
    rules = struct.pack("Q", _MAKE_BLOCK_DEVICE)
    try:
        _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION))
        descriptor = _call(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint(0))
    except OSError:
        return False
    try:
        # The kernel asks for this of who has no CAP_SYS_ADMIN.
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _call(_RESTRICT_SELF, ctypes.c_int(descriptor), ctypes.c_uint(0))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _call(number: int, *arguments: object) -> int:
    found: int = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments)
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


if __name__ == "__main__":
    isolate()
    try:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error.strerror}")
