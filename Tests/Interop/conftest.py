import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import harness


@pytest.fixture
def member(tmp_path):
    member = harness.Member(tmp_path / "data")
    member.start()
    yield member
    member.kill()


def pytest_collection_modifyitems(items):
    if not harness.OURS:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="ETCD_UNDER_TEST names no member to test"))


golden = pytest.mark.skipif(not harness.GOLDEN, reason="ETCD_GOLDEN names no recordings")
