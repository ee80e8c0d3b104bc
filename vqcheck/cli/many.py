"""`vqcheck merge DIR`: the snapshots of a fleet."""
import argparse
import pathlib
from typing import List, NamedTuple, Sequence

from ..check.fleet import Named, Vm, group
from ..check.judge import judge
from ..check.report import Report, report
from ..check.verdict import EXIT_STATUS, HEALTHY, Verdict, worst
from ..render.escape import escape
from ..render.report import page, sarif, verdict_text
from ..render.words import plural, wrapped
from ..snapshot.read import BadSnapshot, read_file
from ..snapshot.write import to_json, to_plain
from .verb import Failed


class Judged(NamedTuple):
    """A VM and its verdict."""

    vm: Vm
    verdict: Verdict
    report: Report


class Fleet(NamedTuple):
    """All VMs, and what could not be used."""

    judged: List[Judged]
    unused: List[str]

    @property
    def exit_status(self) -> int:
        """That of the worst VM; a file that could not be used leaves the verdict open."""
        status = worst([one.verdict.status for one in self.judged])
        return max(EXIT_STATUS[status], 2 if self.unused and status == HEALTHY else 0)


def files(paths: Sequence[str]) -> List[str]:
    """The files to read: those named, and all *.json in the folders named, sorted."""
    found: List[str] = []
    for path in paths:
        whole = pathlib.Path(path)
        if whole.is_dir():
            inside = sorted(str(one) for one in whole.rglob("*.json"))
            if not inside:
                raise Failed(f"{path}: no *.json in this folder")
            found += inside
        else:
            found.append(path)
    return found


def judge_fleet(paths: Sequence[str], options: argparse.Namespace) -> Fleet:
    """Every VM of which there are both sides."""
    named: List[Named] = []
    unused: List[str] = []
    for path in files(paths):
        try:
            named.append(Named(path, read_file(path)))
        except BadSnapshot as problem:
            unused.append(str(problem))
    judged: List[Judged] = []
    for vm in group(named):
        if not vm.whole:
            side = vm.snapshots[0].snapshot.side
            unused += [f"{one.file}: there is no snapshot of the other side of this {side}" for one in vm.snapshots]
            continue
        snapshots = [one.snapshot for one in vm.snapshots]
        verdict = judge(*snapshots, stuck=options.stuck, explain=options.verbose)
        judged.append(Judged(vm, verdict, report(verdict, snapshots, [one.file for one in vm.snapshots])))
    return Fleet(sorted(judged, key=lambda one: -_rank(one.verdict)), unused)


def _rank(verdict: Verdict) -> int:
    return {"fault": 2, "cannot-judge": 1}.get(verdict.status, 0)


def rendered(fleet: Fleet, options: argparse.Namespace) -> str:
    """The fleet in the form that was asked for."""
    if options.format == "json":
        return to_json({"fleet": 1, "vms": [{"name": one.vm.name, **to_plain(one.report)} for one in fleet.judged],
                        "unused": fleet.unused})
    if options.format == "html":
        return page.show_fleet([(one.vm.name, one.report) for one in fleet.judged])
    if options.format == "sarif":
        return sarif.show(*(one.report for one in fleet.judged))
    return _text(fleet, options)


def _text(fleet: Fleet, options: argparse.Namespace) -> str:
    blocks: List[str] = []
    counts = ", ".join(f"{sum(one.verdict.status == status for one in fleet.judged)} {status}"
                       for status in ("fault", "cannot-judge", "healthy"))
    blocks.append(f"{plural(len(fleet.judged), 'VM')}: {counts}")
    lines = [line for one in fleet.judged for line in wrapped(
        escape(f"{one.verdict.status:<12}  {one.vm.name}: {one.verdict.headline}"), "", " " * 16)]
    if lines:
        blocks.append("\n".join(lines))
    for one in fleet.judged:
        if one.verdict.status != HEALTHY or options.all:
            blocks.append(f"==== {escape(one.vm.name)}\n\n"
                          + verdict_text.show(one.verdict, options.verbose, options.all).rstrip())
    if fleet.unused:
        blocks.append("\n".join(["Not used:", *(f"  * {escape(one)}" for one in fleet.unused)]))
    return "\n\n".join(blocks) + "\n"
