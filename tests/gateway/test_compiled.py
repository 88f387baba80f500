"""Which code a worker runs: what is compiled counts for exactly the sources that it was made of."""

import logging
import os

import pytest

from gateway.process import compiled


@pytest.fixture
def sources(tmp_path, monkeypatch):
    folder = tmp_path / "gateway"
    (folder / "http").mkdir(parents=True)
    (folder / "http" / "head.py").write_text("LIMIT = 1\n")
    monkeypatch.setattr(compiled, "SOURCES", folder)
    monkeypatch.setattr(compiled, "COMPILED", tmp_path / "compiled")
    return folder


def compile_them(sources):
    made = compiled.COMPILED / compiled.fingerprint(sources)
    made.mkdir(parents=True)
    return made


def test_sources_run_where_nothing_is_compiled(sources, caplog):
    assert compiled.compiled_folder() is None
    assert compiled.environment(None) is None
    assert not caplog.records


def test_what_is_compiled_runs_in_place_of_its_sources(sources, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/srv/more")
    made = compile_them(sources)
    assert compiled.compiled_folder() == made
    assert compiled.environment(made)["PYTHONPATH"].split(os.pathsep) == [str(made), str(compiled.ROOT), "/srv/more"]


@pytest.mark.parametrize("change", ["edited", "moved", "added", "removed"])
def test_sources_that_have_changed_run_themselves(sources, caplog, change):
    compile_them(sources)
    head = sources / "http" / "head.py"
    match change:
        case "edited":
            head.write_text("LIMIT = 2\n")
        case "moved":
            head.rename(sources / "head.py")
        case "added":
            (sources / "http" / "new.py").write_text("")
        case "removed":
            head.unlink()
    with caplog.at_level(logging.WARNING):
        assert compiled.compiled_folder() is None
    assert "make compiled" in caplog.text


def test_files_that_python_writes_do_not_count(sources):
    made = compile_them(sources)
    (sources / "__pycache__").mkdir()
    (sources / "__pycache__" / "head.cpython-311.pyc").write_bytes(b"\0")
    assert compiled.compiled_folder() == made
