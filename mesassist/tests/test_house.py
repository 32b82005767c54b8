"""The house: sizes, names and first lines, measured on every module of ours."""

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("mesassist", "production", "analyses", "dashboards", "offline_analyst", "bench")
NAMELESS = {"utils", "helpers", "common", "base", "services", "misc"}
# What may never be in the repository: paths of a machine, and where a lock file's packages were fetched.
STRAY = re.compile(r"/(?:work|root|farm|home|tmp)/[a-z.]|\"resolved\": \"http|--index-url|--extra-index-url")
READS_ENVIRONMENT = re.compile(r"""(?:env\.\w+\(|required\(|environ\.get\(|environ\[)\s*"([A-Z][A-Z_]+)\"""")

# Variables that belong to other programs, and ours that the Makefile or a library reads.
OF_OTHERS = {"DJANGO_SETTINGS_MODULE"}
READ_ELSEWHERE = {"CHROMIUM"}


def modules():
    """Our Python modules; migrations are written by Django."""
    return sorted(
        path
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "migrations" not in path.parts and "node_modules" not in path.parts
    )


def lengths_of_functions(paths):
    """{module:function: lines} of every function in `paths`."""
    found = {}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[f"{path.relative_to(ROOT)}:{node.name}"] = node.end_lineno - node.lineno + 1
    return found


def percentile_95(values):
    return statistics.quantiles(values, n=20)[-1]


WORK = [path for path in modules() if "tests" not in path.parts]


class TestSizes:
    def test_no_module_is_over_400_lines(self):
        long = {str(path.relative_to(ROOT)): n for path in modules() if (n := path.read_text().count("\n")) > 400}
        assert long == {}

    def test_no_function_is_over_50_lines(self):
        assert {name: n for name, n in lengths_of_functions(modules()).items() if n > 50} == {}

    def test_most_functions_are_short(self):
        lines = list(lengths_of_functions(WORK).values())
        assert statistics.median(lines) <= 8
        assert percentile_95(lines) <= 40

    def test_most_modules_are_short(self):
        modules = [path.read_text().splitlines() for path in WORK if path.name != "__init__.py"]
        # Blank lines make a page easier, not longer.
        lines = [sum(1 for line in module if line.strip()) for module in modules]
        assert statistics.median(lines) <= 90
        assert percentile_95(lines) <= 350


class TestNames:
    def test_no_module_is_named_after_nothing(self):
        # Django looks for a database engine under this name.
        engine = ROOT / "mesassist/tenants/postgres/base.py"
        assert [str(path) for path in modules() if path.stem in NAMELESS and path != engine] == []

    @pytest.mark.parametrize("path", WORK, ids=lambda path: str(path.relative_to(ROOT)))
    def test_each_module_begins_by_saying_what_it_is(self, path):
        text = path.read_text()
        assert not text.strip() or ast.get_docstring(ast.parse(text)), "the first line is a docstring"

    def test_nothing_tracked_carries_a_path_of_a_machine_or_a_registrys_host(self):
        done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
        tracked = [ROOT / name for name in done.stdout.split("\n") if name]
        stray = {}
        for path in tracked:
            if path == Path(__file__) or not path.is_file() or path.suffix in {".png", ".ico", ".woff2"}:
                continue
            if found := STRAY.search(path.read_text(errors="replace")):
                stray[str(path.relative_to(ROOT))] = found.group()
        assert stray == {}


class TestEnvironment:
    def test_the_example_lists_every_variable_that_the_code_reads(self):
        read = {name for path in WORK for name in READS_ENVIRONMENT.findall(path.read_text())}
        listed = set(re.findall(r"^#? ?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
        assert read - listed - OF_OTHERS == set()
        assert listed - read - READ_ELSEWHERE == set()
