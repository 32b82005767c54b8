"""Jars: Apache Kafka fetched through Maven into the installation's folder, once.

`python -m production.tests.kafka.jars` does it and exits 1 with one plain line where it cannot be done.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from mesassist.embedded import home_folder

POM = Path(__file__).with_name("pom.xml")
FETCH_SECONDS = 900
JAVA_AT_LEAST = 17
NEEDS = f"The real broker needs Java {JAVA_AT_LEAST}, Maven and a registry that Maven reaches"


class JarsMissing(Exception):
    """The broker's jars cannot be had here; the message says what is needed."""


def jars_folder() -> Path:
    """Where the jars lie, whether or not they have been fetched."""
    return home_folder(os.environ) / "kafka"


def are_here() -> bool:
    """Whether the jars of this pom.xml have been fetched completely."""
    stamp = jars_folder() / POM.name
    return stamp.is_file() and stamp.read_bytes() == POM.read_bytes()


def fetch_jars() -> Path:
    """The folder with the jars, fetched if they are not there. Raises JarsMissing."""
    check_java()
    folder = jars_folder()
    if are_here():
        return folder
    if shutil.which("mvn") is None:
        raise JarsMissing(f"{NEEDS}: there is no `mvn`.")
    shutil.rmtree(folder, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line] or ["it said nothing"]
        raise JarsMissing(f"{NEEDS}: Maven did not get the jars ({errors[0][:300]}).")
    # Last, so that an interrupted fetch is begun again.
    shutil.copy(POM, folder)
    return folder


def check_java() -> None:
    """Raises JarsMissing unless `java` is new enough."""
    if shutil.which("java") is None:
        raise JarsMissing(f"{NEEDS}: there is no `java`.")
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version.group(1)) < JAVA_AT_LEAST:
        raise JarsMissing(f"{NEEDS}: this Java is older ({said.splitlines()[0] if said else 'it says nothing'}).")


if __name__ == "__main__":
    try:
        jars = list(fetch_jars().glob("*.jar"))
    except JarsMissing as missing:
        sys.exit(str(missing))
    sys.stdout.write(f"Apache Kafka is here ({len(jars)} jars).\n")
