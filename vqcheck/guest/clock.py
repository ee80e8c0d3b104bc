"""The guest kernel's clocks at its last tick.

Source: Linux kernel/time/timekeeping.c.  What is read is the timekeeper as of the last tick: while the guest's vCPUs
stood still, so did these clocks, and ages computed against them are too small.
"""
from typing import NamedTuple

from ..target.errors import Corrupt, NoSymbol
from ..target.target import Target
from ..target.view import View

LAST_SECOND = 253402300799
"""The end of the year 9999: no honest clock is beyond it."""


class Clock(NamedTuple):
    """Nanoseconds of CLOCK_MONOTONIC and CLOCK_BOOTTIME, and seconds since the epoch of CLOCK_REALTIME."""

    monotonic_ns: int
    boottime_ns: int
    """What /proc/uptime shows."""
    realtime: float


def clock(target: Target) -> Clock:
    """The clocks as of the last tick.  Raises TargetError."""
    keeper = _timekeeper(target)
    if keeper.uint("xtime_sec") > LAST_SECOND:
        raise Corrupt(f"the guest's clock reads {keeper.uint('xtime_sec')} seconds since 1970")
    fraction = keeper.uint("tkr_mono.xtime_nsec") >> min(keeper.uint("tkr_mono.shift"), 63)
    monotonic = keeper.uint("tkr_mono.base") + fraction
    return Clock(monotonic, monotonic + keeper.sint("offs_boot"), keeper.uint("xtime_sec") + fraction / 1e9)


def _timekeeper(target: Target) -> View:
    # `tk_core` has an anonymous type; its copy `shadow_timekeeper`, equal after every tick, does not.  Newer kernels
    # have neither: first tk_core got the type tk_data (6.13), then there was one for each timekeeper (7.x).
    address = target.symbol("shadow_timekeeper")
    if address is not None:
        return View(target, "struct timekeeper", address)
    for name in ("timekeeper_data", "tk_core"):
        address = target.symbol(name)
        if address is not None:
            return View(target, "struct tk_data", address).embedded("struct timekeeper", "timekeeper")
    raise NoSymbol("shadow_timekeeper, timekeeper_data or tk_core")
