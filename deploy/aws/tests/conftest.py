"""The stacks, synthesised once for all tests."""

import json
import os
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]
sys.path.insert(0, str(FOLDER))
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "1"


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """Text of every template by the stack's name; cdk-nag has looked at them."""
    from templates import synthesised

    return synthesised(str(tmp_path_factory.mktemp("cdk")))


@pytest.fixture(scope="session")
def stacks(texts):
    """Every template by the stack's name."""
    return {name: json.loads(text) for name, text in texts.items()}


@pytest.fixture(scope="session")
def resources(stacks):
    """(stack, logical id, type, properties, whole resource) of everything."""
    return [
        (stack, name, one["Type"], one.get("Properties", {}), one)
        for stack, template in stacks.items()
        for name, one in template["Resources"].items()
    ]
