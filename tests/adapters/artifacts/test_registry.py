"""Models by their content."""

import pytest
from tests import artifacts

from ringfence.adapters.artifacts import ModelRegistry
from ringfence.adapters.artifacts.registry import read_folder
from ringfence.errors import InputError, ScorerError
from ringfence.scoring.artifacts.manifest import FOREST


@pytest.fixture
def made(tmp_path):
    """made(seed, name): an artifact read from a folder of its own."""

    def one(seed=0, **more):
        artifacts.make(tmp_path / f"made-{seed}", seed=seed, **more)
        return read_folder(tmp_path / f"made-{seed}")

    return one


@pytest.fixture
def registry(tmp_path):
    return ModelRegistry(tmp_path / "models")


def test_a_model_is_kept_once_and_read_again(registry, made):
    artifact = made()
    assert registry.digests() == []
    assert registry.add(artifact)
    assert not registry.add(artifact)
    assert registry.digests() == [artifact.digest]
    assert registry.read(artifact.digest) == artifact


def test_a_model_is_found_by_the_beginning_of_its_digest_or_its_name(registry, made):
    first = made(1, name="cards", created_at="2025-01-01T00:00:00Z")
    second = made(2, name="cards", created_at="2025-02-01T00:00:00Z")
    for one in (second, first):
        registry.add(one)
    assert registry.find(first.digest[:6]) == first.digest
    assert registry.find("cards") == second.digest
    for nothing in ("", "zz", "dogs"):
        with pytest.raises(InputError, match="models list"):
            registry.find(nothing)


def test_a_model_that_was_changed_where_it_is_kept_is_refused(registry, made, tmp_path):
    artifact = made()
    registry.add(artifact)
    file = tmp_path / "models" / artifact.digest / FOREST
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ScorerError, match="was changed: import"):
        registry.read(artifact.digest)


def test_a_copy_that_was_cut_short_is_none_and_is_finished_by_the_next(registry, made, tmp_path):
    artifact = made()
    folder = tmp_path / "models" / artifact.digest
    folder.mkdir(parents=True)
    (folder / FOREST).write_bytes(b"half")
    assert registry.digests() == []
    assert registry.add(artifact)
    assert registry.read(artifact.digest) == artifact


def test_a_retired_model_says_why(registry, made):
    artifact = made()
    registry.add(artifact)
    assert registry.retired() == {}
    registry.retire(artifact.digest, "mira", "too many alerts", 7)
    assert registry.retired()[artifact.digest].note == "too many alerts"
    assert registry.read(artifact.digest) == artifact


@pytest.mark.parametrize("digest", ["../../etc", "nothing", "0" * 16])
def test_a_digest_that_is_not_there_says_so(registry, digest):
    with pytest.raises(InputError, match="is not in"):
        registry.read(digest)


def test_a_place_that_is_none_is_refused():
    with pytest.raises(InputError, match="no place for models"):
        ModelRegistry("gopher://models")


@pytest.mark.parametrize("where", ["mock:///models", "file://{folder}/by-uri"])
def test_a_registry_need_not_be_a_local_folder(where, made, tmp_path):
    """Arrow's mock file system stands for storage without folders to be made durable, such as S3."""
    registry, artifact = ModelRegistry(where.format(folder=tmp_path)), made()
    assert registry.add(artifact)
    assert not registry.add(artifact)
    assert registry.read(registry.find(artifact.digest[:5])) == artifact
    registry.retire(artifact.digest, "mira", "old", 1)
    assert list(registry.retired()) == [artifact.digest]
