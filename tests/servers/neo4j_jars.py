"""The community server as a folder of jars, resolved by Maven once and kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import compose_file

MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
JAVA = 17


class Missing(Exception):
    """What this machine lacks, in a few words."""


def jars_and_java() -> tuple[Path, str]:
    """The folder of jars and the java command; makes the folder where there is none."""
    java = _java()
    folder = cache_folder() / f"neo4j-{compose_file.version()}"
    if not _whole(folder):
        _assemble(folder)
    return folder / "jars", java


def cache_folder() -> Path:
    """Where the jars are kept: the folder of DUALALIGN_TEST_CACHE, else the user's cache folder."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("DUALALIGN_TEST_CACHE") or user_cache_dir("dualalign", appauthor=False))


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = (home and shutil.which("java", path=f"{home}/bin")) or shutil.which("java")
    if java is None:
        raise Missing(f"no java {JAVA} (apt-get install openjdk-{JAVA}-jre-headless maven)")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < JAVA:
        raise Missing(f"java is {version[1] if version else 'unknown'}, below {JAVA}")
    return java


def _whole(folder: Path) -> bool:
    """Whether every jar that was put there is still there."""
    try:
        names = (folder / "jars.txt").read_text(encoding="utf-8").split()
        return bool(names) and all((folder / "jars" / name).is_file() for name in names)
    except OSError:
        return False


def _assemble(folder: Path) -> None:
    """Resolves the community server with Maven beside `folder` and moves it into place whole, so that a kill leaves no half of it."""
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("java without mvn (apt-get install maven)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (part / "pom.xml").write_text(_POM.format(version=compose_file.version()), encoding="utf-8")
        done = subprocess.run(
            [maven, "--batch-mode", "--quiet", "--strict-checksums", "--file", str(part / "pom.xml"),
             f"{MAVEN_PLUGIN}:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={part / 'jars'}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=540, check=False,
        )  # fmt: skip
        if done.returncode:
            why = next(
                (line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line), "no reason given"
            )
            raise Missing(f"Maven could not resolve org.neo4j:neo4j:{compose_file.version()}: {why[:300]}")
        names = sorted(path.name for path in (part / "jars").glob("*.jar"))
        (part / "jars.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
        if folder.exists() and not _whole(folder):
            shutil.rmtree(folder)
        with contextlib.suppress(OSError):  # another session was first, to the same end
            part.rename(folder)
        if not _whole(folder):
            raise Missing(f"the jars could not be kept in {folder}; make room or set DUALALIGN_TEST_CACHE")
    except subprocess.TimeoutExpired:
        raise Missing("Maven did not finish within 540 s") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dualalign</groupId>
  <artifactId>neo4j-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.neo4j</groupId>
      <artifactId>neo4j</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""
