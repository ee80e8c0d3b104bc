"""What is not known is said with its reason, once for all its places."""
from tests.builders import fleet, pair
from vqcheck.render import reasons


def lines(snapshot):
    return " ".join(" ".join(reasons.lines(snapshot)).split())


def test_nothing_missing_is_nothing_to_say():
    host = pair(host_queue={"absent": {}}, host={"absent": {}})[1]
    host = host._replace(capture=host.capture._replace(absent={}))
    assert reasons.lines(host) == []


def test_the_field_its_place_and_the_reason():
    guest = pair(guest_queue={"irq": None, "absent": {"irq": "no debug information for struct irq_desc"}})[0]
    assert "irq [vdb queue 0]: no debug information for struct irq_desc" in lines(guest)


def test_fields_of_inner_records_have_a_path():
    host = pair(notify={"polling": None, "absent": {"polling": "this QEMU has no such field"}})[1]
    assert "notify.polling [virtio-disk1 queue 0]: this QEMU has no such field" in lines(host)


def test_the_same_reason_is_given_once():
    text = lines(fleet(10, 4)[1])
    assert text.count("only the guest names its queues") == 1
    assert "and 34 more" in text


def test_what_does_not_apply_is_not_missing():
    assert "not applicable" not in lines(pair()[1])


def test_many_reasons_are_cut():
    absent = {f"field{number}": f"reason {number}" for number in range(100)}
    found = reasons.lines(pair(host={"absent": absent})[1])
    assert len(found) < reasons.LIMIT + 5
    assert found[-1].endswith("more (all are in the JSON form)")


def test_reasons_are_escaped():
    assert "\\x1b[2J" in lines(pair(guest={"absent": {"th\x1breads": "no\x1b[2J"}})[0])
