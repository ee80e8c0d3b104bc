"""What all tests share: a skip is a failure where everything should be there."""
import os
import signal

import pytest
from hypothesis import settings

settings.register_profile("vqcheck", deadline=None)  # a busy machine is no failure
settings.load_profile("vqcheck")

# Started in the background of a shell, this process would ignore it, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    """Tests of a real PyKdump are offered only where there is one: no distribution packages it."""
    if os.environ.get("PYKDUMP_SO"):
        return
    without = [item for item in items if item.get_closest_marker("pykdump")]
    config.hook.pytest_deselected(items=without)
    items[:] = [item for item in items if item not in without]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With VQCHECK_NO_SKIP set a skipped test fails, with the reason for which it was skipped."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("VQCHECK_NO_SKIP"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {reason}"
