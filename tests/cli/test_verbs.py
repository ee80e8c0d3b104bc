"""What each verb does with good input."""
import json
import pathlib

import pytest

from tests.builders import fleet, incident, pair
from vqcheck.cli import demo
from vqcheck.render import guest_text, host_text
from vqcheck.snapshot import schema

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "incident"


def test_show_one_device_in_full(vqcheck, saved):
    guest, host = incident()
    for snapshot, text in ((guest, guest_text), (host, host_text)):
        path, = saved(snapshot)
        assert vqcheck("show", path) == (0, text.show(snapshot, True), "")


def test_show_several_devices_in_short_or_one_of_them_in_full(vqcheck, saved):
    guest = fleet(3, 2)[0]
    path, = saved(guest)
    assert vqcheck("show", path)[1] == guest_text.show(guest, False)
    assert vqcheck("show", path, "--detail")[1] == guest_text.show(guest, True)
    assert vqcheck("show", path, "vd1")[1] == guest_text.show(guest._replace(devices=[guest.devices[1]]), True)


def test_show_an_unknown_device(refused, saved):
    path, = saved(fleet(3, 1)[0])
    assert refused("show", path, "vd\x1bx") == "no device vd\\x1bx in this snapshot; it holds: vd0, vd1, vd2"


def test_validate_looks_at_every_file(vqcheck, saved, tmp_path):
    good, other = saved(*incident())
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    status, out, err = vqcheck("validate", good, bad, other)
    assert status == 2
    assert out.splitlines() == [f"{good}: valid; guest, 1 device(s), 1 queue(s)",
                                f"{other}: valid; host, 1 device(s), 1 queue(s)"]
    assert err == f"vqcheck: {bad}: not a vqcheck snapshot: it has no member `schema`\n"
    assert vqcheck("validate", good, other)[0] == 0


def test_schema_prints_the_published_file(vqcheck):
    status, out, _ = vqcheck("schema")
    assert (status, out) == (0, schema.PATH.read_text())
    assert json.loads(out)["$id"] == "urn:vqcheck:snapshot:3"


def test_merge_in_either_order(vqcheck, saved):
    guest, host = saved(*incident())
    status, out, err = vqcheck("merge", guest, host)
    assert (status, err) == (1, "")
    assert "43932" in out
    assert vqcheck("merge", host, guest) == (status, out, err)


def test_merge_of_healthy_sides(vqcheck, saved):
    assert vqcheck("merge", *saved(*pair()))[0] == 0


def test_merge_for_programs(vqcheck, saved):
    status, out, _ = vqcheck("merge", *saved(*incident()), "--format", "json")
    verdict = json.loads(out)
    assert (status, verdict["status"]) == (1, "fault")
    assert verdict["queues"][0]["findings"][0]["event"]["kind"] == "interrupt"


def test_merge_of_two_files_of_one_side(refused, saved):
    first, second = saved(incident()[0], pair()[0])
    assert refused("merge", first, second) == (
        f"{first}, {second}: all snapshots are of the guest; a verdict needs both sides")


def test_merge_of_two_machines_can_not_be_judged(vqcheck, saved):
    guest, host = incident()
    other = host._replace(target=host.target._replace(uuid="00000000-0000-0000-0000-000000000000"))
    status, out, err = vqcheck("merge", *saved(guest, other))
    assert (status, err) == (2, "")
    assert out.startswith("CANNOT JUDGE")


def test_what_a_person_saw_counts_where_ages_are_not_known(vqcheck, saved):
    guest, host = incident()
    queue = guest.devices[0].queues[0]
    ageless = queue._replace(in_flight=[one._replace(age_ns=None) for one in queue.in_flight])
    files = saved(guest._replace(devices=[guest.devices[0]._replace(queues=[ageless])]), host)
    assert vqcheck("merge", *files)[0] == 2
    status, out, _ = vqcheck("merge", *files, "--stuck", "fio stands still for 10 minutes")
    assert status == 1
    assert "fio stands still" in out


def test_the_incident_of_the_examples(vqcheck):
    status, out, err = vqcheck("merge", EXAMPLE / "guest.json", EXAMPLE / "host.json")
    assert (status, err) == (1, "")
    assert "lost-interrupt" in out


def test_demo_merges_the_bundled_hang(vqcheck, saved, monkeypatch, tmp_path):
    guest, host = saved(*incident())
    guest.rename(tmp_path / "guest.json")
    host.rename(tmp_path / "host.json")
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    assert vqcheck("demo") == vqcheck("merge", tmp_path / "guest.json", tmp_path / "host.json")
    assert json.loads(vqcheck("demo", "--format", "json")[1])["status"] == "fault"


def test_demo_without_its_files(refused, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    assert refused("demo") == f"the bundled hang is not installed: {tmp_path} lacks guest.json or host.json"


@pytest.mark.parametrize("words", [["--format", "text"], ["--stuck", "seen"]])
def test_demo_takes_the_options_of_merge(vqcheck, words, monkeypatch):
    monkeypatch.setattr(demo, "FOLDER", EXAMPLE)
    assert vqcheck("demo", *words)[0] == 1
