"""What is not allowed is not sent, whoever asks for it."""
import pytest

from tests.host.by_qmp.answers import PATH, Each, Made, with_members
from tests.qmp_transcript import Recorder, Replay, load
from vqcheck.host.by_qmp import allowed
from vqcheck.host.by_qmp.ask import Refused
from vqcheck.host.by_qmp.careful import Backend, Careful, Forbidden
from vqcheck.host.by_qmp.snapshot import take


class Nobody:
    """Must not be asked anything."""

    def execute(self, command, arguments):
        raise AssertionError(f"{command} was sent")


class Anybody:
    """Answers what a test wants it to."""

    def __init__(self, **answers):
        self.answers = answers

    def execute(self, command, arguments):
        return self.answers.get(arguments.get("property", command).replace("-", "_"))


def refused(careful, command, **arguments):
    with pytest.raises(Forbidden) as problem:
        careful.execute(command, {name.replace("_", "-"): value for name, value in arguments.items()})
    return str(problem.value)


@pytest.mark.parametrize("command, arguments", [
    ("x-query-virtio-queue-element", {"path": PATH, "queue": 0}),
    ("stop", {}), ("cont", {}), ("quit", {}), ("system_reset", {}), ("qom-set", {"path": PATH, "property": "type"}),
    ("pmemsave", {"val": 0, "size": 1, "filename": "x"}), ("query-rx-filter", {}), ("device_del", {"id": "x"}),
    ("query-block", {}), ("query-blockstats", {}), ("query-block-jobs", {}),
    ("query-named-block-nodes", {"flat": True}),
])
def test_commands_that_are_not_on_the_list(command, arguments):
    assert "not on the list" in refused(Careful(Nobody()), command, **arguments)


def test_block_commands_if_the_user_wants_them():
    real = Careful(Replay(load("7.2-lost-kick")), block=True)
    assert real.execute("query-block", {})
    assert "not on the list" in refused(real, "x-query-virtio-queue-element", path=PATH, queue=0)


@pytest.mark.parametrize("command, arguments", [
    ("query-status", {"x": 1}), ("query-name", {"path": PATH}), ("x-query-virtio-status", {}),
    ("qom-get", {"path": PATH}), ("human-monitor-command", {"command_line": "info network", "cpu_index": 0}),
])
def test_arguments_that_are_not_on_the_list(command, arguments):
    assert "other arguments" in refused(Careful(Nobody(), block=True), command, **arguments)


@pytest.mark.parametrize("name", ["realized", "hotplugged", "x", "child[0]x", "child[]", ""])
def test_properties_that_are_not_on_the_list(name):
    assert "not a property" in refused(Careful(Nobody()), "qom-get", path=PATH, property=name)


@pytest.mark.parametrize("line", [
    "", " ", "stop", "info status", "info network ", "gpa2hva 4096", "gpa2hva 0x1000 0x2000", "gpa2hva 0x1000\n",
    "gpa2hva 0x1000\nstop", "gpa2hva 0x1000;stop", "gva2gpa 0x1000", "x /4xb 0x1000", "xp /4xg 0x1000",
    "xp /4ib 0x1000", "xp /99999xb 0x1000", "info virtio-queue-status x 0", "qemu-io disk1 flush",
])
def test_lines_of_the_monitor_that_are_not_on_the_list(line):
    assert "not a line" in refused(Careful(Nobody()), "human-monitor-command", command_line=line)


@pytest.mark.parametrize("line, may", [
    ("xp /16xb 0x1000", True), ("xp /8xb 0x1008", True), ("xp /1xb 0x100f", True), ("xp /16xb 0x1001", False),
    ("xp /4xb 0xfff", False), ("xp /1xb 0x1010", False), ("xp /4xb 0xfee00000", False),
])
def test_memory_is_read_only_where_there_is_ram(line, may):
    careful = Careful(Anybody(human_monitor_command="text"))
    assert "not known to be RAM" in refused(careful, "human-monitor-command", command_line=line)
    careful.is_ram(0x1000, 16)
    if may:
        assert careful.execute("human-monitor-command", {"command-line": line}) == "text"
    else:
        assert "not known to be RAM" in refused(careful, "human-monitor-command", command_line=line)


def told(kind, started=False, features=None):
    """A guard that knows a device's type and status."""
    status = {"vhost-started": started, "backend-features": features or {"transports": [], "dev-features": []}}
    careful = Careful(Anybody(type=kind, x_query_virtio_status=status, x_query_virtio_queue_status={}))
    careful.execute("qom-get", {"path": PATH, "property": "type"})
    return careful


@pytest.mark.parametrize("kind", ["vhost-user-vsock-device", "vhost-user-fs-device", "vhost-user-blk", "vhost-scsi",
                                  "vhost-vdpa-device", "virtio-something-new", "pci-bridge", ""])
def test_no_status_of_what_it_can_end_qemu_for(kind):
    assert "it is a" in refused(told(kind), "x-query-virtio-status", path=PATH)


def test_nothing_of_a_device_whose_type_was_not_asked():
    for command, arguments in (("x-query-virtio-status", {}), ("x-query-virtio-vhost-queue-status", {"queue": 0})):
        assert "unknown type" in refused(Careful(Nobody()), command, path=PATH, **arguments)
    assert "was not asked" in refused(Careful(Nobody()), "x-query-virtio-queue-status", path=PATH, queue=0)


@pytest.mark.parametrize("kind", ["vhost-user-input", "vhost-user-scsi", "vhost-user-gpio-device", "vhost-vdpa-device",
                                  "vhost-user-i2c-device", "vhost-user-device", "virtio-blk-device"])
def test_no_vhost_queues_of_a_device_without_get_vhost(kind):
    assert "it is a" in refused(told(kind), "x-query-virtio-vhost-queue-status", path=PATH, queue=0)


@pytest.mark.parametrize("kind", sorted(allowed.BY_VHOST))
def test_no_queues_of_a_vhost_device(kind):
    careful = told(kind)
    assert "was not asked" in refused(careful, "x-query-virtio-queue-status", path=PATH, queue=0)
    assert not careful.queues_may_be_asked(PATH)
    assert careful.execute("x-query-virtio-vhost-queue-status", {"path": PATH, "queue": 0}) is None


def test_queues_only_after_a_status_without_a_trace_of_vhost():
    careful = told("virtio-blk-device")
    assert "was not asked" in refused(careful, "x-query-virtio-queue-status", path=PATH, queue=0)
    careful.execute("x-query-virtio-status", {"path": PATH})
    assert careful.execute("x-query-virtio-queue-status", {"path": PATH, "queue": 0}) == {}


@pytest.mark.parametrize("started, features", [(True, None), (None, None), (False, {"transports": ["X"]}),
                                               (False, {"unknown-dev-features": 1})])
def test_no_queues_where_the_status_has_a_trace_of_vhost(started, features):
    careful = told("virtio-net-device", started, features)
    careful.execute("x-query-virtio-status", {"path": PATH})
    assert "vhost serves it" in refused(careful, "x-query-virtio-queue-status", path=PATH, queue=0)


LINES = ("nic0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\r\n"
         " \\ peer: index=0,type={},something=1\r\n")


@pytest.mark.parametrize("kind, may", [
    ("user", True), ("socket", True), ("tap", True), ("vhost-user", False), ("vhost-vdpa", False), ("passt", False),
    ("something-new", False),
])
def test_a_card_by_what_is_behind_it(kind, may):
    careful = told("virtio-net-device")
    careful.execute("x-query-virtio-status", {"path": PATH})
    assert not careful.queues_may_be_asked(PATH)
    careful._ask.answers.update(netdev="peer", human_monitor_command=LINES.format(kind))
    assert careful.network_backend(PATH) == Backend(kind, "peer", [0])
    assert careful.queues_may_be_asked(PATH) is may


def test_a_card_with_several_pairs():
    careful = told("virtio-net-device")
    lines = "".join(f"{name}: index={index},type={kind},x\r\n" for index in (1, 0) for name, kind in (
        ("nic0", "nic"), (" \\ peer", "tap"), ("other", "user")))
    careful._ask.answers.update(netdev="peer", human_monitor_command=lines)
    assert careful.network_backend(PATH) == Backend("tap", "peer", [0, 1])
    assert not careful.queues_may_be_asked(PATH), "its status was not asked"
    careful._ask.answers.update(human_monitor_command=lines + " \\ peer: index=2,type=user,x\r\n")
    assert careful.network_backend(PATH).kind == "unknown", "one backend of two types"


def test_a_tap_with_vhost():
    careful = told("virtio-net-device", features={"transports": ["VIRTIO_F_VERSION_1: ..."], "dev-features": []})
    careful.execute("x-query-virtio-status", {"path": PATH})
    careful._ask.answers.update(netdev="peer", human_monitor_command=LINES.format("tap"))
    assert careful.network_backend(PATH).kind == "tap" and not careful.queues_may_be_asked(PATH)


@pytest.mark.parametrize("netdev, lines, kind, may", [
    ("", "", None, True), ("peer", "", "unknown", False), ("nic0", LINES.format("user"), "nic", False)])
def test_a_card_without_a_peer_or_with_one_that_is_not_listed(netdev, lines, kind, may):
    careful = told("virtio-net-device")
    careful.execute("x-query-virtio-status", {"path": PATH})
    careful._ask.answers.update(netdev=netdev, human_monitor_command=lines)
    backend = careful.network_backend(PATH)
    assert (backend and backend.kind) == kind
    assert careful.queues_may_be_asked(PATH) is may


@pytest.mark.parametrize("kind, may", [("cryptodev-backend-builtin", True), ("cryptodev-vhost-user", False)])
def test_a_crypto_device_by_what_is_behind_it(kind, may):
    careful = told("virtio-crypto-device")
    careful.execute("x-query-virtio-status", {"path": PATH})
    careful._ask.answers.update(cryptodev="/objects/crypto", type=kind)
    assert careful.crypto_backend(PATH) == Backend(kind, "/objects/crypto", [])
    assert careful.queues_may_be_asked(PATH) is may


def test_every_command_has_its_justification():
    for command, why in {**allowed.COMMANDS, **allowed.BLOCK_COMMANDS}.items():
        assert why and command not in ("x-query-virtio-queue-element", "stop", "cont")
    assert not set(allowed.COMMANDS) & set(allowed.BLOCK_COMMANDS)
    assert not allowed.BY_QEMU & (allowed.BY_QEMU_OR_VHOST | allowed.BY_VHOST)
    assert all(one.startswith("vhost-") for one in allowed.BY_VHOST)
    assert not [one for one in allowed.BY_QEMU if one.startswith("vhost")]


def of_two(arguments):
    """A vhost device's two queues, not in RAM."""
    if arguments["queue"] > 1:
        raise Refused("x-query-virtio-vhost-queue-status", "GenericError", "Invalid vhost virtqueue number 2")
    return {"num": 256, "desc": 1, "avail": 2, "used": 3, "desc-phys": 4096, "avail-phys": 8192, "used-phys": 12288,
            "avail-size": 518, "kick": 0, "call": 0}


def test_a_card_that_vhost_serves_is_asked_of_vhosts_queues_only():
    started = with_members(**{"vhost_started": True, "vhost-dev": {
        "nvqs": 2, "vq-index": 0, "features": {"transports": ["VIRTIO_F_VERSION_1: x"], "dev-features": []},
        "acked-features": {"transports": ["VIRTIO_F_NEW: x"]}}})
    made = Recorder(Made({"x-query-virtio-status": started, "gpa2hva": "Memory at address 0x2000 is not RAM\r\n",
                          "x-query-virtio-vhost-queue-status": Each(of_two)}, "7.2-vhost-user-net"))
    (card,) = take(Careful(made), "nic0").devices
    assert card.host.vhost_started is True and "only those that vhost serves" in card.absent["queues"]
    (vhost,) = card.host.vhost
    assert (vhost.backend, vhost.started, vhost.nvqs, vhost.vq_index, vhost.features) == ("user", True, 2, 0, 1 << 32)
    assert vhost.acked_features is None and "VIRTIO_F_NEW" in vhost.absent["acked_features"]
    assert [one.role for one in card.queues] == ["rx", "tx"]
    assert all(one.device is None and one.ring is None and "not RAM" in one.absent["ring"] for one in card.queues)
    assert "x-query-virtio-queue-status" not in {one["execute"] for one in made.entries}
