"""Fetch the jars of Flink and of Beam's job server that artifacts.lock names, and verify them.

`python -m launch.flink.jars` fetches them; with `--lock` it chooses the versions anew and writes the lock file.
"""

import hashlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape

from launch.flink.cache import made_once
from launch.programs import call, program
from wikilm.cli import Parser, run
from wikilm.errors import RunError

LOCK = Path(__file__).with_name("artifacts.lock")
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
LINE = re.compile(r"(root|cluster|job-server) +([\w.-]+):([\w.-]+):([\w.-]+)(?: +([0-9a-f]{64}))?")
WAY_OUT = "see that Maven can reach its registry, then run again"
Role = Literal["cluster", "job-server"]


@dataclass(frozen=True)
class Artifact:
    """A jar: where it belongs, its coordinates, and the hash of its bytes ("" where not known yet)."""

    role: str
    group: str
    name: str
    version: str
    sha256: str = ""

    @property
    def file(self) -> str:
        """Its file name."""
        return f"{self.name}-{self.version}.jar"


@dataclass(frozen=True)
class Jars:
    """The verified jars: what Flink's processes run from, and what Beam's job server adds to them."""

    folder: Path

    @property
    def cluster(self) -> str:
        """Class path of the job manager and the task managers: Flink alone, as on any Flink cluster."""
        return f"{self.folder}/cluster/*"

    @property
    def job_server(self) -> str:
        """Class path of Beam's job server."""
        return f"{self.folder}/job-server/*:{self.cluster}"


def read_lock(path: Path = LOCK) -> tuple[list[Artifact], list[Artifact]]:
    """The roots, whose versions a person chose, and all artifacts that they need, with their hashes.

    Raises:
        RunError: a line is neither a comment nor an artifact.
    """
    roots: list[Artifact] = []
    artifacts: list[Artifact] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = LINE.fullmatch(line.strip())
        if parts is None or (parts[1] != "root") != bool(parts[5]):
            raise RunError(f"{path}:{number}: not an artifact: {line!r}; restore the file from git")
        (roots if parts[1] == "root" else artifacts).append(Artifact(*parts.groups(default="")))
    return roots, artifacts


def fetch() -> Jars:
    """The jars of the lock file: from the cache, else from Maven's registry; their hashes are checked either way.

    Raises:
        RunError: Maven is missing or fails, or a jar has another hash.
    """
    _, artifacts = read_lock()
    key = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = made_once("flink-jars", key, lambda new: _download(artifacts, new))
    for artifact in artifacts:
        _verify(folder / artifact.role / artifact.file, artifact)
    return Jars(folder)


def _download(artifacts: Sequence[Artifact], folder: Path) -> None:
    for role in ("cluster", "job-server"):
        some = [artifact for artifact in artifacts if artifact.role == role]
        _copy(some, folder / role, transitive=False)
    for artifact in artifacts:
        _verify(folder / artifact.role / artifact.file, artifact)


def _verify(path: Path, artifact: Artifact) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise RunError(f"{path}: is missing; remove the folder {path.parent.parent} and run again") from None
    if digest != artifact.sha256:
        raise RunError(
            f"{path}: has sha256 {digest} instead of {artifact.sha256} ({LOCK.name}); "
            f"remove the folder {path.parent.parent} and run again, and if it stays so, do not trust its registry"
        )


def _copy(artifacts: Sequence[Artifact], folder: Path, *, transitive: bool) -> list[Artifact]:
    """Let Maven put these jars into `folder`, with all that they need where `transitive`; gives what it chose."""
    maven = program("mvn", variable="MVN", package="install Maven (Debian: apt-get install maven)")
    with tempfile.TemporaryDirectory() as work:
        Path(work, "pom.xml").write_text(_pom(artifacts, transitive), encoding="utf-8")
        listed = Path(work, "list.txt")
        goals = [f"{PLUGIN}:copy-dependencies", f"-DoutputDirectory={folder}"]
        if transitive:
            goals += [f"{PLUGIN}:list", f"-DoutputFile={listed}"]
        call([maven, "-q", "-B", "-ntp", *goals], "fetching the jars with Maven", WAY_OUT, cwd=Path(work))
        if not transitive:
            return list(artifacts)
        lines = re.findall(r"^ +([\w.-]+):([\w.-]+):jar:([\w.-]+):\w+", listed.read_text(), re.MULTILINE)
        return [Artifact("", *line) for line in lines]


def _pom(artifacts: Sequence[Artifact], transitive: bool) -> str:
    exclusions = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    dependencies = "\n".join(
        f"<dependency><groupId>{escape(a.group)}</groupId><artifactId>{escape(a.name)}</artifactId>"
        f"<version>{escape(a.version)}</version>{'' if transitive else exclusions}</dependency>"
        for a in artifacts
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>wikilm</groupId><artifactId>flink</artifactId><version>1</version><packaging>pom</packaging>\n"
        f"<dependencies>\n{dependencies}\n</dependencies></project>\n"
    )


def lock() -> int:
    """Resolve the roots of the lock file anew and write down what they need; gives how many jars that is."""
    head = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if line.startswith(("#", "root"))]
    roots, _ = read_lock()
    with tempfile.TemporaryDirectory() as work:
        flink_roots = [root for root in roots if not root.group.startswith("org.apache.beam")]
        flink = {(a.group, a.name) for a in _copy(flink_roots, Path(work, "flink"), transitive=True)}
        lines = []
        for a in sorted(_copy(roots, Path(work, "all"), transitive=True), key=lambda a: (a.group, a.name)):
            role = "cluster" if (a.group, a.name) in flink else "job-server"
            digest = hashlib.sha256(Path(work, "all", a.file).read_bytes()).hexdigest()
            lines.append(f"{role:10} {a.group}:{a.name}:{a.version} {digest}")
    LOCK.write_text("\n".join([*head, "", *lines]) + "\n", encoding="utf-8")
    return len(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Fetch the jars, or write the lock file."""
    parser = Parser(prog="python -m launch.flink.jars", description=__doc__)
    parser.add_argument("--lock", action="store_true", help=f"choose the jars anew and write {LOCK.name}")
    args = parser.parse_args(argv)
    print(f"{lock()} jars in {LOCK}" if args.lock else fetch().folder)


if __name__ == "__main__":
    raise SystemExit(run(main, "launch.flink.jars"))
