"""What is stored stays what it was: a season against the facts kept of it."""

import json
import shutil

import pytest

from hydro_pipeline.usecases.pipeline import Pipeline
from tests.support.golden import KEPT, facts


@pytest.fixture(scope="module")
def found(made, tmp_path_factory):
    root = tmp_path_factory.mktemp("golden") / "root"
    shutil.copytree(made.settings.root, root)
    published = Pipeline(made.settings.model_copy(update={"root": str(root)}))
    return json.loads(json.dumps(facts(made, "demo", published)))


@pytest.mark.parametrize("what", ["cube", "commits", "rows", "records", "stac"])
def test_what_is_stored_is_as_it_was(found, what):
    assert found[what] == json.loads(KEPT.read_text())[what]
