"""Bench, the command: `python -m bench [names]` runs all scripts or those named; a JSON object per line."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

# Lines that a script prints beside the one of its own name.
PRINTED_BY = {
    "summary_data": "rollup",
    "rollup_recompute": "rollup",
    "growth_rollup": "rollup",
    "growth_summary": "rollup",
    "walls_page": "walls",
    "walls_api_list": "walls",
    "walls_ingest": "walls",
}
FOLDER = Path(__file__).resolve().parent


def scripts() -> list[str]:
    """The names of the scripts here: every module with a `main()`."""
    found = sorted(path for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "__main__"))
    return [path.stem for path in found if "\ndef main() -> None:" in path.read_text()]


def run(name: str) -> int:
    """Run one script in a process of its own, so that none finds what another has left; gives its exit code."""
    print(f"bench: {name}", file=sys.stderr, flush=True)
    return subprocess.run([sys.executable, "-m", "bench", name], cwd=FOLDER.parent, check=False).returncode


def main(names: list[str]) -> int:
    """Run the scripts named (all, if none is); 1 if one of them failed."""
    known = scripts()
    names = list(dict.fromkeys(PRINTED_BY.get(name, name) for name in names))
    if unknown := [name for name in names if name not in known]:
        print(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(known)}.", file=sys.stderr)
        return 2
    if len(names) == 1:
        import_module(f"bench.{names[0]}").main()
        return 0
    failed = [name for name in names or known if run(name)]
    if failed:
        print(f"Not finished: {', '.join(failed)}. What went wrong is above.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
