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

LAST_NS = (1 << 63) - 1
"""The largest ktime_t."""


class Clock(NamedTuple):
    """Nanoseconds of CLOCK_MONOTONIC and CLOCK_BOOTTIME, and seconds since the epoch of CLOCK_REALTIME."""

    monotonic_ns: int
    boottime_ns: int
    """What /proc/uptime shows."""
    realtime: float


def clock(target: Target) -> Clock:
    """The clocks as of the last tick.  Raises TargetError."""
    keeper = _timekeeper(target)
    seconds = keeper.uint("xtime_sec")
    if seconds > LAST_SECOND:
        raise Corrupt(f"the guest's clock reads {seconds} seconds since 1970")
    # Linux 3.17 put clock and shift into a member tkr, which 4.1 called tkr_mono; before, as in RHEL 7, they lay in
    # the timekeeper itself.
    shift = keeper.uint("tkr_mono.shift", "tkr.shift", "shift")
    fraction = keeper.uint("tkr_mono.xtime_nsec", "tkr.xtime_nsec", "xtime_nsec") >> min(shift, 63)
    monotonic = _base(keeper, seconds) + fraction
    boottime = monotonic + keeper.sint("offs_boot")
    if not 0 <= monotonic <= LAST_NS or not 0 <= boottime <= LAST_NS:
        raise Corrupt(f"the guest's clock reads {monotonic} ns since boot, {boottime} with the time it was suspended")
    return Clock(monotonic, boottime, seconds + fraction / 1e9)


def _base(keeper: View, seconds: int) -> int:
    """CLOCK_MONOTONIC at the last full second of CLOCK_REALTIME."""
    if keeper.has("tkr_mono.base"):
        return keeper.uint("tkr_mono.base")
    # The way of 3.10's ktime_get(): what is to be added to the real time.
    return (seconds + keeper.sint("wall_to_monotonic.tv_sec")) * 10 ** 9 + keeper.sint("wall_to_monotonic.tv_nsec")


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
