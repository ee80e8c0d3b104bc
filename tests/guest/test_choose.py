"""What a user may call a device, and what he is told of a name that no virtio device has."""
import pytest

from tests.guest.machine import RELEASES, machine
from vqcheck.guest.choose import UnknownDevice
from vqcheck.guest.snapshot import take


@pytest.mark.parametrize("name, shown", [
    ("vdb", "vdb"), ("/dev/vdb", "vdb"), ("vdb2", "vdb"), ("/dev/vdb1", "vdb"), ("virtio1", "vdb"),
    ("vdc", "vdc"), ("eth0", "eth0"), ("virtio0", "eth0"), ("virtio4", "virtio4"),
    ("0001:02:03.1", "virtio4"), ("a000000.virtio_mmio", "virtio5"),
])
def test_a_name_of_a_device(name, shown):
    (device,) = take(machine(more=True), name).devices
    assert device.name == shown


@pytest.mark.parametrize("address", ["0000:00:07.0", "00:07.0"])
def test_a_pci_address_with_and_without_its_domain(address):
    assert take(machine(), address).devices[0].name == "vdb"


def test_a_pci_address_without_its_domain_is_of_domain_0():
    with pytest.raises(UnknownDevice):
        take(machine(more=True), "02:03.1")


@pytest.mark.parametrize("form", ["{:#x}", "{:016x}", "{:#018X}"])
def test_the_address_of_a_vring_virtqueue_shows_that_queue_alone(form):
    target = machine(more=True)
    every = take(target).devices[1].queues
    (device,) = take(target, form.format(every[1].driver.address)).devices
    assert device.name == "vdc" and device.queues == [every[1]]


def test_an_address_that_is_no_queue():
    with pytest.raises(UnknownDevice, match="no virtio device '0x12345678'"):
        take(machine(), "0x12345678")


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(UnknownDevice, match="no virtio device 'vdx'; it has: vdb, vdc, eth0, virtio4, virtio5$"):
        take(machine(more=True), "vdx")


@pytest.mark.parametrize("release", RELEASES)
def test_a_disk_on_another_bus_is_named_as_such(release):
    """Where the class keeps its devices changed in Linux 5.1, so this is asked of all."""
    with pytest.raises(UnknownDevice, match="sda is no virtio device: class block, on 1:0:0:0 of bus scsi; virtio "
                                            "devices of this guest: vdb$"):
        take(machine(release), "/dev/sda")


def test_names_with_odd_characters_are_no_pattern():
    with pytest.raises(UnknownDevice, match=r"no virtio device 'vd\[b\]'"):
        take(machine(), "vd[b]")


def test_a_guest_without_virtio_has_no_devices():
    target = machine()
    for at in [at for at, label in target.labels.items() if label == "the text virtio"]:
        target.poke(at, b"usb\0\0\0")
    assert take(target).devices == []
    with pytest.raises(UnknownDevice, match="no virtio device 'vdx'; it has: none"):
        take(target, "vdx")


def test_a_kernel_of_which_nothing_is_known_says_so():
    target = machine()
    del target.symbols["bus_kset"]
    with pytest.raises(Exception, match="no symbol bus_kset"):
        take(target, "vdb")


