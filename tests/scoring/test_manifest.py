"""What a model artifact says of itself."""

import dataclasses

import pytest

from ringfence.errors import InputError
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.artifacts.manifest import Bands, Manifest, Span, digest_of, feature_hashes

CARD = entity("card")
SPEC = FeatureSpec.of(CARD.count("1h"), CARD.is_new("device"))


def manifest(**changes):
    given = {
        "name": "first",
        "algorithm": "lightgbm",
        "inputs": ("amount", "card.count_1h"),
        "features": feature_hashes(SPEC),
        "spec_digest": SPEC.digest,
        "spec": {},
        "zone": "UTC",
        "created_at": "2024-05-01",
        "spans": {"train": Span(0, 10, 100, 3)},
        "label_cut_off_ms": 10,
        "files": {"model.onnx": "00"},
    }
    return Manifest(**given | changes)


def test_a_manifest_is_read_back_as_it_was_written():
    one = manifest(bands=Bands(review_at=0.25))
    assert Manifest.from_json(one.to_json()) == one


def test_the_version_changes_with_any_byte_of_any_file():
    assert digest_of(manifest().to_json()) != digest_of(manifest(files={"model.onnx": "01"}).to_json())


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b'{"name": 1}'])
def test_what_is_no_manifest_is_refused(text):
    with pytest.raises(InputError, match="train the model again"):
        Manifest.from_json(text)


def test_a_field_that_is_not_known_is_refused():
    with pytest.raises(InputError, match="unknown field"):
        Manifest.from_json(manifest().to_json().replace(b'"name"', b'"extra": 1, "name"'))


def test_an_artifact_of_a_later_format_is_refused():
    with pytest.raises(InputError, match="format 2"):
        Manifest.from_json(manifest(format=2).to_json())


def test_a_features_hash_stays_when_others_are_added():
    more = SPEC.with_features(CARD.count("30d"))
    assert feature_hashes(more).items() >= feature_hashes(SPEC).items()


def test_a_features_hash_changes_with_what_it_measures():
    """`is_new` looks back over the horizon, a count of an hour does not."""
    longer = dataclasses.replace(SPEC, horizon_ms=SPEC.horizon_ms * 2)
    before, after = feature_hashes(SPEC), feature_hashes(longer)
    assert before["card.count_1h"] == after["card.count_1h"]
    assert before["card.is_new_device"] != after["card.is_new_device"]
