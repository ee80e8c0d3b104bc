"""Building the loader on first use."""
import os
import pathlib

import pytest

from crash_ext import build


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The package is installed out of reach, and the user's cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != build.SOURCES and access(path, mode))
    return tmp_path


@pytest.fixture
def make(monkeypatch):
    """No compiler runs; gives the folders in which one would have."""
    built = []

    def compiled(folder, tools):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / build.NAME).write_text("")
        built.append(folder)
    monkeypatch.setattr(build, "_build", compiled)
    return built


def test_where_the_package_can_be_written_it_is_built_there(make, monkeypatch, tmp_path):
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    (tmp_path / "Makefile").write_text("")
    assert build.loader() == tmp_path / "vqstate.so"


def test_elsewhere_it_is_built_in_the_cache(make, cache):
    assert build.loader() == cache / "vqcheck" / "loader" / "vqstate.so"


def test_it_is_built_once(make, cache):
    assert build.loader() == build.loader()
    assert len(make) == 1


@pytest.mark.usefixtures("cache")
def test_it_is_built_again_when_a_source_changed(make, monkeypatch, tmp_path):
    sources = tmp_path / "sources"
    sources.mkdir()
    for name in ("Makefile", "module.c", "loader.h"):
        (sources / name).write_text("one")
    monkeypatch.setattr(build, "SOURCES", sources)
    build.loader()
    (sources / "loader.h").write_text("two")
    build.loader()
    build.loader()
    assert len(make) == 2


@pytest.mark.parametrize("variable", ["CRASH", "PYTHON"])
def test_it_is_built_again_for_another_crash_or_python(make, cache, monkeypatch, tmp_path, variable):
    program = tmp_path / "program"
    monkeypatch.setenv(variable, str(program))
    for version in ("8.0.2", "9.0.2", "9.0.2"):
        program.write_text(f"#!/bin/sh\necho crash {version}\n")
        program.chmod(0o755)
        build.loader()
    assert len(make) == 2


@pytest.mark.usefixtures("cache")
def test_what_is_missing_is_named_with_its_package(monkeypatch):
    monkeypatch.setenv("CRASH", "no-such-crash")
    monkeypatch.setenv("PYTHON", "/no/such/python3")
    with pytest.raises(build.BuildError) as problem:
        build.loader()
    assert "no-such-crash (package crash), /no/such/python3 (package python3)" in str(problem.value)
    assert "crash, python3-dev, gcc and make" in str(problem.value)
    assert "\n" not in str(problem.value)


@pytest.mark.usefixtures("cache")
def test_no_compiler(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    absent = build.missing()
    assert "make (package make)" in absent
    assert "cc (package gcc)" in absent


@pytest.mark.usefixtures("cache")
def test_a_compiler_that_fails(monkeypatch, tmp_path):
    if build.missing():
        pytest.skip(f"no {', '.join(build.missing())}: apt-get install crash python3-dev gcc make")
    broken = tmp_path / "bin" / "cc"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'cc: out of luck' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(build.BuildError, match=r"(?s)crash-devel.*out of luck"):
        build.loader()
    assert not list(pathlib.Path(os.environ["XDG_CACHE_HOME"]).rglob("vqstate.s*"))


def test_it_is_really_built(cache):
    if build.missing():
        pytest.skip(f"no {', '.join(build.missing())}: apt-get install crash python3-dev gcc make")
    assert build.loader().read_bytes().startswith(b"\x7fELF")
    there = {path.name for path in (cache / "vqcheck" / "loader").iterdir()}
    sources = {"Makefile", *(path.name for path in build.SOURCES.glob("*.[ch]"))}
    assert there == {build.NAME, build.STAMP, build.LOCK} | sources
