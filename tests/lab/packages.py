"""Debian packages for the lab, unpacked and never installed.

Everything is resolved at run time, because kernel package names go stale with every security update.  The archive is
the one this machine already uses: its address and its keyring are read from apt's own configuration.
"""
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
from typing import Iterator, List, Sequence, Tuple

SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def cache_dir() -> pathlib.Path:
    """Where the lab keeps what is slow to get: outside the clone, so that a fresh clone finds it again."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = pathlib.Path(base) / "vqcheck"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def alone(home: pathlib.Path) -> Iterator[None]:
    """Let one process at a time make what is to be kept in `home`; others wait for it."""
    with open(home.with_name(home.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Archive:
    """One Debian suite, binaries and sources, with package lists of its own.

    `architecture` is Debian's name of one, if not the machine's own.
    """

    def __init__(self, suite: str = SUITE, architecture: str = "") -> None:
        self.suite = suite
        self.architecture = architecture
        self.home = cache_dir() / "apt" / (f"{suite}-{architecture}" if architecture else suite)
        self._updated = False

    def _options(self) -> List[str]:
        options = {
            "Dir::Etc::sourcelist": str(self.home / "sources.list"),
            "Dir::Etc::sourceparts": "-",
            "Dir::State::Lists": str(self.home / "lists"),
            "Dir::Cache": str(self.home / "cache"),
            "Dir::State::status": "/dev/null",
            "APT::Sandbox::User": "root",
        }
        if self.architecture:
            options.update({"APT::Architecture": self.architecture, "APT::Architectures": self.architecture})
        return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]

    def _apt(self, tool: str, *words: str, cwd: "pathlib.Path | None" = None) -> str:
        done = subprocess.run([tool, *self._options(), *words], cwd=cwd, text=True, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{tool} {' '.join(words)} failed:\n{done.stdout[-800:]}{done.stderr[-800:]}")
        return done.stdout

    def update(self) -> None:
        """Fetch the package lists once a run."""
        if self._updated:
            return
        for folder in (self.home / "lists" / "partial", self.home / "cache" / "archives" / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        sources = _machine_sources()
        self._list(sources)
        try:
            self._apt("apt-get", "update")
        except RuntimeError:  # the newest suites have no updates and no security archive of their own
            self._list([source for source in sources if source[1] == SUITE])
            self._apt("apt-get", "update")
        self._updated = True

    def _list(self, sources: Sequence[Tuple[str, str]]) -> None:
        lines = []
        for uri, release in sources:
            where = f"[signed-by={KEYRING}] {uri} {release.replace(SUITE, self.suite)} main"
            lines += [f"deb {where}", f"deb-src {where}"]
        (self.home / "sources.list").write_text("\n".join(dict.fromkeys(lines)) + "\n")

    def names(self, prefix: str, suffix: str) -> List[str]:
        """Packages whose names begin and end so, the highest numbers in them first."""
        self.update()
        found = [name for name in self._apt("apt-cache", "pkgnames", prefix).split() if name.endswith(suffix)]
        return sorted(found, key=lambda name: [int(number) for number in re.findall(r"\d+", name)], reverse=True)

    def dependencies(self, package: str) -> List[str]:
        """The packages that one depends on."""
        self.update()
        lines = self._apt("apt-cache", "depends", package).splitlines()
        return [line.strip().partition("Depends: ")[2] for line in lines if "Depends: " in line]

    def unpack(self, names: Sequence[str], into: pathlib.Path) -> None:
        """Download binary packages and unpack them under `into`.  Raises RuntimeError where one is not to be had."""
        self.update()
        pool = into.with_name(into.name + ".debs")
        shutil.rmtree(pool, ignore_errors=True)
        pool.mkdir(parents=True)
        self._apt("apt-get", "download", *names, cwd=pool)
        into.mkdir(parents=True, exist_ok=True)
        for deb in sorted(pool.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(deb), str(into)], check=True)
        shutil.rmtree(pool)

    def source(self, name: str, into: pathlib.Path, series: str = "") -> pathlib.Path:
        """Download the newest source package of a series and unpack it; returns its directory.

        The lists of a suite may name packages that its archive no longer has: then it is the newest one that is there.
        """
        self.update()
        into.mkdir(parents=True, exist_ok=True)
        problems = []
        for version in self._versions(name, series):
            try:
                self._apt("apt-get", "source", "--download-only", f"{name}={version}", cwd=into)
                break
            except RuntimeError as problem:
                problems.append(str(problem))
        else:
            raise RuntimeError(f"{self.suite} has no source package {name} {series}: {problems[-1:]}")
        (dsc,) = into.glob("*.dsc")
        tree = into / "tree"
        subprocess.run(["dpkg-source", "--no-check", "-x", str(dsc), str(tree)], check=True, capture_output=True)
        return tree

    def _versions(self, source: str, series: str) -> List[str]:
        """The versions of a source package that the lists name, the newest first."""
        listing = self._apt("apt-cache", "showsrc", "--only-source", source)
        found = set(re.findall(r"^Version: (\S+)$", listing, re.MULTILINE))
        of_series = re.compile(rf"(\d+:)?{re.escape(series)}(?!\d)" if series else "")
        return sorted((one for one in found if of_series.match(one)),
                      key=lambda one: [int(number) for number in re.findall(r"\d+", one)], reverse=True)


def main_mirror() -> str:
    """The address of the archive itself, without its updates."""
    return next(uri for uri, release in _machine_sources() if release == SUITE)


def _machine_sources() -> List[Tuple[str, str]]:
    """(address, release) of each Debian archive that this machine's apt knows."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)", "Created-By: Packages", "Origin: Debian"],
        text=True, capture_output=True, check=True).stdout
    found = []
    for line in dict.fromkeys(listing.splitlines()):
        uri, release = line.split("|")
        if release.startswith(SUITE):
            found.append((uri, release))
    if not found:
        raise RuntimeError("apt knows no Debian archive here: run 'apt-get update' first")
    return found
