"""A Dagster instance on the disk, empty before each test."""

import dagster as dg
import pytest


@pytest.fixture(scope="module")
def empty_instance(tmp_path_factory):
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield instance


@pytest.fixture
def instance(empty_instance):
    yield empty_instance
    empty_instance.wipe()
