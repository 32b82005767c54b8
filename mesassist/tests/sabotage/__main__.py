"""Sabotage, run: `python -m mesassist.tests.sabotage [name ...]`; exit 1 if a control can go unnoticed."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from mesassist.embedded import environment, temporary_services
from mesassist.tests.sabotage.controls import Control, read_controls

PROJECT = Path(__file__).resolve().parents[3]
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "node_modules", ".mesassist", "__pycache__", ".*_cache", "staticfiles"
)
GREEN, RED = 0, 1
MINUTES = 10


def main(names: Iterable[str]) -> int:
    """Sabotage the named controls, or all; one line each."""
    wanted = set(names)
    controls = [control for control in read_controls() if not wanted or control.name in wanted]
    with tempfile.TemporaryDirectory(prefix="mesassist-sabotage-") as folder, temporary_services() as found:
        tree = Path(folder) / "tree"
        shutil.copytree(PROJECT, tree, ignore=NOT_COPIED)
        variables = {**os.environ, **environment(found), "PYTHONDONTWRITEBYTECODE": "1"}
        nodes = sorted({node for control in controls for node in control.tests})
        if run_tests(tree, nodes, variables, make=True, tell=True) != GREEN:
            print("The tests are not green with every control in place: mend them first.")
            return 1
        noticed = sum([sabotage(control, tree, variables) for control in controls])
    print(f"sabotage {noticed} of {len(controls)}")
    return int(noticed < len(controls))


def sabotage(control: Control, tree: Path, variables: dict[str, str]) -> bool:
    """Whether the tests notice that one control is gone; everything is put back."""
    file = tree / control.file
    text = file.read_text()
    file.write_text(control.removed_from(text))
    try:
        code = run_tests(tree, control.tests, variables, make=control.remakes)
    finally:
        file.write_text(text)
    # Only failing tests count: a tree that cannot even be imported has noticed nothing.
    print(f"{'red' if code == RED else f'UNNOTICED ({code})':<14} {control.threat:<5} {control.name}", flush=True)
    if control.remakes:
        run_tests(tree, control.tests[:1], variables, make=True)
    return code == RED


def run_tests(tree: Path, nodes: Iterable[str], variables: dict[str, str], *, make: bool, tell: bool = False) -> int:
    """Run these tests in the copy; the exit code of pytest."""
    fresh = ["--create-db"] if make else []
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n0",
        "-x",
        "--reuse-db",
        *fresh,
        "-p",
        "no:cacheprovider",
        *nodes,
    ]
    done = subprocess.run(
        command, cwd=tree, env=variables, capture_output=True, text=True, timeout=60 * MINUTES, check=False
    )
    if done.returncode not in (GREEN, RED) or (tell and done.returncode != GREEN):
        print(done.stdout[-2000:])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
