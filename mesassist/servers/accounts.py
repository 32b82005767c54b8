"""Accounts: under root, who the servers run as and what that account may reach."""

import logging
import os
import pwd
import subprocess
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)
ROOTS_ACCOUNT = "pgserver"  # the name that the PostgreSQL wheel uses for it too


def server_account(folder: Path) -> pwd.struct_passwd | None:
    """Who the servers run as under root: the folder's owner, else an account of their own. None for ordinary users."""
    if os.geteuid() != 0:
        return None
    if folder.exists() and (owner := folder.stat().st_uid):
        with suppress(KeyError):
            return pwd.getpwuid(owner)
    with suppress(OSError):  # no `useradd` here
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ROOTS_ACCOUNT]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - our own command line
    try:
        return pwd.getpwnam(ROOTS_ACCOUNT)
    except KeyError:
        return pwd.getpwnam("nobody")


def give_to(folder: Path, account: pwd.struct_passwd) -> None:
    """Make the account the owner of a folder and all in it (it is root's when new or copied)."""
    if folder.stat().st_uid == account.pw_uid:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def open_way_to(path: Path) -> None:
    """Let the servers' account pass through (not list) the folders that lead to a path."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
            log.warning("Other accounts may now pass through %s: PostgreSQL does not run as root.", folder)


def open_programs(folder: Path) -> None:
    """Let the servers' account read and run an installed folder, which a strict umask closed to all but its owner."""
    open_way_to(folder)
    if not folder.is_dir() or folder.stat().st_mode & 0o005 == 0o005:
        return
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))
