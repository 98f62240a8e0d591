"""Turns a process into a container, then runs what the container runs.

    python -I -S launch.py container.json

With namespaces, the container gets a root folder of its own: of the machine it sees what makes
programs run (`/usr`, `/etc`, …) and this interpreter, and beside that only what was uploaded
and mounted for it. Root may make these; other users become root in a user namespace, where
the machine permits that.

Without ("links"), it shares the machine's file system. Uploads are reached through the
current folder, and a Volume's path is a symbolic link to a place relative to the current
folder of whichever process follows it. Several containers so see different folders at one
path, as long as they stay in the folder they were started in; other packages than the
declared ones are kept out by `sitecustomize` alone.

Either way the container dies with the plane, and loses the privilege of writing to read-only
files, which is what the published files of a Volume are.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

MACHINE = [
    "bin",
    "dev",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "nix",
    "opt",
    "proc",
    "run",
    "sbin",
    "sys",
    "usr",
    "var",
]

# From <sched.h>, <sys/mount.h>, <sys/prctl.h> and <linux/capability.h>.
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
MS_LOCKED = 0x1 | 0x2 | 0x4 | 0x8 | 0x400  # read-only, nosuid, nodev, noexec, noatime: may not be dropped again
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 1, 24, 1
CAPABILITY_VERSION_3 = 0x20080522


def main() -> None:
    """Read what the container is, become it, run its program."""
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        container: dict[str, Any] = json.load(file)
    enter(container)
    os.execv(container["argv"][0], container["argv"])  # noqa: S606  # this is what the launcher is for


def enter(container: dict[str, Any]) -> None:
    """Be a container: alone on the machine, if it has a root, and bound to its parent."""
    if sys.platform == "linux":
        _die_with(container["parent"])
        if container["root"]:
            _enter_namespaces()
            _build_root(container["root"], container["mounts"])
        _respect_read_only_files()
    os.chdir(container["workdir"])


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def _die_with(parent: int) -> None:
    _libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked to be told
        os.kill(os.getpid(), signal.SIGKILL)


def _respect_read_only_files() -> None:
    """Give up the right to write to them, here and in what is run from here.

    Should that fail, `sitecustomize` protects them from Python code, and a Volume notices.
    """
    _libc().prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then the same of the upper half
    if _libc().capget(header, sets) == 0:
        for number in range(3):
            sets[number] &= ~(1 << CAP_DAC_OVERRIDE) & 0xFFFFFFFF
        _libc().capset(header, sets)


def _enter_namespaces() -> None:
    user, group = os.getuid(), os.getgid()
    if _libc().unshare(CLONE_NEWNS) != 0:  # not root, or one without the right to mount
        _check(_libc().unshare(CLONE_NEWNS | CLONE_NEWUSER), "unshare mounts and users")
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")
    # What is mounted from here on must not appear on the machine.
    _check(_libc().mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "make mounts private")


def _build_root(top: str, mounts: list[tuple[str, str, bool]]) -> None:
    """Mount a folder in memory, hang into it what the container may see, make it the root."""
    _check(_libc().mount(b"tmpfs", top.encode(), b"tmpfs", 0, b"mode=755"), "mount the root")
    for name in MACHINE:
        here = Path("/", name)
        if here.is_symlink():
            Path(top, name).symlink_to(here.readlink())
        elif here.is_dir():
            _bind(str(here), top + str(here))
    for source, place, read_only in mounts:
        _bind(source, top + place, read_only=read_only)
    os.chroot(top)
    os.chdir("/")


def _bind(source: str, target: str, *, read_only: bool = False) -> None:
    Path(target).mkdir(parents=True, exist_ok=True)
    _check(_libc().mount(source.encode(), target.encode(), None, MS_BIND | MS_REC, None), f"bind {source}")
    if read_only:
        flags = MS_REMOUNT | MS_BIND | MS_RDONLY | (os.statvfs(target).f_flag & MS_LOCKED)
        _check(_libc().mount(b"none", target.encode(), None, flags, None), f"make {target} read-only")


if __name__ == "__main__":
    main()
