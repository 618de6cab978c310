import hashlib
import threading

import pytest

from qingting.errors import EngineUnavailableError, MissingExtraError
from qingting.speech import _weights

PARTS = (b"first half " * 1000, b"second half" * 1000)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Small stand-ins for the two weight packages."""
    folder = tmp_path / "packages"
    for name, part, content in zip(_weights._PACKAGES, _weights._PARTS, PARTS, strict=True):
        (folder / name / "data").mkdir(parents=True)
        (folder / name / "__init__.py").touch()
        (folder / name / "data" / part).write_bytes(content)
    for name in _weights._SMALL_FILES:
        (folder / _weights._PACKAGES[0] / "data" / name).write_text(name)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(_weights, "MODEL_SHA256", hashlib.sha256(b"".join(PARTS)).hexdigest())
    monkeypatch.setattr(_weights, "_data_folder", lambda package: folder / package / "data")
    return folder


def left_over(folder):
    return [path.name for path in folder.iterdir() if path.suffix == ".part"]


def test_parts_are_joined_once(packages, tmp_path):
    folder = _weights.prepare_weights(tmp_path / "cache")
    assert (folder / "model.bin").read_bytes() == b"".join(PARTS)
    assert {path.name for path in folder.iterdir()} == {"model.bin", *_weights._SMALL_FILES}
    before = (folder / "model.bin").stat().st_mtime_ns
    assert _weights.prepare_weights(tmp_path / "cache") == folder
    assert (folder / "model.bin").stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", [b"", b"half written", b"".join(PARTS)[:-1] + b"X"])
def test_a_damaged_file_is_rebuilt(packages, tmp_path, damage):
    folder = _weights.prepare_weights(tmp_path / "cache")
    (folder / "model.bin").write_bytes(damage)
    (folder / "config.json").write_bytes(b"conf")
    _weights.prepare_weights(tmp_path / "cache")
    assert (folder / "model.bin").read_bytes() == b"".join(PARTS)
    assert (folder / "config.json").read_text() == "config.json"


def test_wrong_packages_leave_nothing_behind(packages, tmp_path):
    (packages / _weights._PACKAGES[1] / "data" / _weights._PARTS[1]).write_bytes(b"other")
    with pytest.raises(EngineUnavailableError) as caught:
        _weights.prepare_weights(tmp_path / "cache")
    assert "--force-reinstall" in caught.value.remedy
    (folder,) = (tmp_path / "cache").iterdir()
    assert list(folder.iterdir()) == []


def test_many_at_once_all_get_whole_weights(packages, tmp_path):
    results = []

    def prepare():
        folder = _weights.prepare_weights(tmp_path / "cache")
        results.append((folder / "model.bin").read_bytes() == b"".join(PARTS))

    threads = [threading.Thread(target=prepare) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 6
    (folder,) = (tmp_path / "cache").iterdir()
    assert left_over(folder) == []


def test_an_unwritable_cache_says_so(packages, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EngineUnavailableError) as caught:
        _weights.prepare_weights(tmp_path / "file")
    assert "QINGTING_CACHE" in caught.value.remedy


def test_missing_packages_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(_weights.importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(MissingExtraError) as caught:
        _weights.prepare_weights(tmp_path)
    assert "qingting[embedded]" in caught.value.remedy


def test_the_cache_folder_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _weights.default_cache_folder() == tmp_path / "qingting"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert _weights.default_cache_folder().parts[-2:] == (".cache", "qingting")
