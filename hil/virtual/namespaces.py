"""Linux namespaces and links, by system call and iproute2, for the virtual bench alone.

A namespace is entered by the calling thread only, and what that thread starts later is born in it;
so everything here happens while a process has one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from hil.errors import LabFault

CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
_NAMES = {CLONE_NEWNET: "net", CLONE_NEWPID: "pid"}
_MARK = "the PC of a virtual bench"


def become_bench_pc() -> None:
    """Move this process into a network of its own, with nothing in it but loopback; a process that is in one already stays there.

    As root it takes a network namespace, otherwise a user namespace in which it is root. `LabFault` if this process has
    other threads, which would stay behind, or if the kernel does not allow it.
    """
    if _loopback_alias() == _MARK:
        return
    others = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    if others:
        raise LabFault(
            "a virtual bench must be opened before any thread is started, since threads stay in the network they were born in",
            tried="enter a network namespace",
            seen="threads " + ", ".join(others),
        )
    _enter_network()
    _silence_ipv6()
    ip("link set lo up", f"link set lo alias '{_MARK}'")


def enter_fresh_network() -> None:
    """Move this process, which must be root in its user namespace, into an empty network."""
    _call("unshare", CLONE_NEWNET)
    _silence_ipv6()
    ip("link set lo up")


@contextlib.contextmanager
def fresh(kind: int) -> Iterator[int]:
    """A new namespace of `kind` (CLONE_NEWNET or CLONE_NEWPID) for what is started inside the block.

    Yields a descriptor of the namespace left behind. Of a new pid namespace, the first process started is the init: when it
    is killed the kernel kills all others, and reports its end only when they are gone.
    """
    home = os.open(f"/proc/self/ns/{_NAMES[kind]}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("unshare", kind)
        try:
            if kind == CLONE_NEWNET:
                _silence_ipv6()
            yield home
        finally:
            _call("setns", home, kind)
    finally:
        os.close(home)


def init_of_fresh_pid_namespace(command: Sequence[str]) -> list[str]:
    """`command` as the init of a pid namespace: whatever it starts ends with it. It ends if the process made of this does."""
    return [program("unshare"), "--pid", "--fork", "--kill-child=SIGKILL", "--", *command]


def pid_outside(pid: int) -> int:
    """Number by which a child of this process goes where /proc was mounted, in a pid namespace further out."""
    descriptor = os.pidfd_open(pid)
    try:
        facts = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    finally:
        os.close(descriptor)
    return int(next(line for line in facts if line.startswith("Pid:")).split()[1])


def ip(*commands: str, pass_fds: Sequence[int] = ()) -> None:
    """Run `ip` commands in one go; `LabFault` with its words if one fails."""
    command, lines = [program("ip"), "-batch", "-"], "\n".join(commands) + "\n"
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=30, pass_fds=pass_fds)
    if done.returncode:
        raise LabFault("the virtual bench cannot set up its network", tried="; ".join(commands), seen=done.stderr.strip())


def program(name: str) -> str:
    """Path of a system program; `LabFault` if it is not installed. Debian keeps some where a user's PATH does not look."""
    path = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if path is None:
        raise LabFault(f"the program {name} is not installed", tried=f"find {name} in PATH, /usr/sbin and /sbin")
    return path


def drop_link(name: str) -> None:
    """Remove a link of this process's network, which the kernel may be removing itself because its other end has gone."""
    try:
        ip(f"link delete {name}")
    except LabFault:
        if _has_link(name):
            raise


def _has_link(name: str) -> bool:
    return subprocess.run([program("ip"), "link", "show", "dev", name], capture_output=True, timeout=30).returncode == 0


def _enter_network() -> None:
    uid, gid = os.geteuid(), os.getegid()
    try:
        _call("unshare", CLONE_NEWNET)
    except PermissionError:
        try:
            _call("unshare", CLONE_NEWUSER | CLONE_NEWNET)
        except OSError as error:
            raise LabFault(
                "a virtual bench needs root, or user namespaces and a process with one thread",
                tried="unshare(CLONE_NEWUSER | CLONE_NEWNET)",
                seen=f"{errno.errorcode.get(error.errno or 0)}: {error.strerror}",
            ) from error
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _silence_ipv6() -> None:
    """The phones speak IPv4; without this each new link fills the captures with its own router solicitations."""
    for scope in ("all", "default"):
        switch = Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6")
        with contextlib.suppress(OSError):  # no IPv6 in this kernel, or not ours to switch: noise only
            switch.write_text("1")


def _loopback_alias() -> str | None:
    shown = subprocess.run([program("ip"), "-json", "link", "show", "dev", "lo"], capture_output=True, text=True, timeout=30)
    links = json.loads(shown.stdout or "[]")
    alias = links[0].get("ifalias") if links else None
    return alias if isinstance(alias, str) else None


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
