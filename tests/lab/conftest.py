"""The lab's tests on two processors: what a machine was made for stays in one process (`--dist loadgroup`)."""
import pytest

MADE = ("seen", "read", "hung")
"""Fixtures that make a machine for each of their parameters."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A group is a file, or of a file's machines one."""
    for item in items:
        known = item.callspec.params if hasattr(item, "callspec") else {}
        machine = [str(known[name]) for name in MADE if name in known]
        item.add_marker(pytest.mark.xdist_group(" ".join([item.path.stem, *machine])))
