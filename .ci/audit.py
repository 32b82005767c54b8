"""Audit: known vulnerabilities of the locked packages; says plainly what could not be looked up."""

import json
import subprocess
import sys


def main() -> int:
    """Exit 1 when a locked package has a known vulnerability."""
    pip_audit, requirements = sys.argv[1:]
    command = [pip_audit, "-r", requirements, "--require-hashes", "--disable-pip", "--format", "json"]
    done = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        print(f"Dependency audit: no answer from the advisory service. {done.stderr.strip()[-300:]}")
        return 0
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    hit = [f"{p['name']} {p['version']}: {v['id']}" for p in packages for v in p.get("vulns", [])]
    print(f"Dependency audit: {len(packages) - len(skipped)} packages looked up, {len(hit)} known vulnerabilities.")
    if skipped:
        print(f"NOT looked up (no advisory service within reach): {len(skipped)} packages.")
    print("\n".join(hit))
    return 1 if hit else 0


if __name__ == "__main__":
    sys.exit(main())
