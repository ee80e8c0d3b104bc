"""CPU masks, which end where the last possible CPU's word ends."""
import pytest

from tests.guest.made.guest import Guest
from tests.guest.made.interrupts import mask
from vqcheck.guest.cpus import cpu_list, mask_cpus, online, panicked
from vqcheck.target.errors import TargetError


@pytest.mark.parametrize("numbers, text", [([], ""), ([0], "0"), ([0, 1, 2, 3, 8], "0-3,8"), ([1, 3, 5], "1,3,5"),
                                           ([62, 63, 64, 65], "62-65")])
def test_a_list_as_the_kernel_prints_it(numbers, text):
    assert cpu_list(numbers) == text


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("pointer_size", [8, 4])
@pytest.mark.parametrize("cpus", [[], [0], [31, 32, 33], [63, 64], [99]])
def test_a_mask(byte_order, pointer_size, cpus):
    target = Guest("6.1", byte_order, pointer_size)
    target.symbols["nr_cpu_ids"] = target.new("nr_cpu_ids", target.encode(100, 4))
    assert mask_cpus(target, target.new("mask", mask(target, cpus))) == cpus


def test_an_allocated_mask_is_read_up_to_the_word_of_the_last_possible_cpu():
    target = Guest("6.1")
    target.symbols["nr_cpu_ids"] = target.new("nr_cpu_ids", target.encode(65, 4))
    address = target.new("mask", mask(target, [2, 64])[:16])
    target.reads.clear()
    assert mask_cpus(target, address) == [2, 64]
    assert (address, 16) in target.reads


def test_bits_beyond_the_last_possible_cpu_do_not_count():
    target = Guest("6.1")
    target.symbols["nr_cpu_ids"] = target.new("nr_cpu_ids", target.encode(4, 4))
    assert mask_cpus(target, target.new("mask", b"\xff" * 8)) == [0, 1, 2, 3]


def test_a_kernel_for_a_fixed_number_of_cpus_or_with_a_nonsensical_one_reads_the_whole_type():
    target = Guest("6.1")
    address = target.new("mask", mask(target, [0, 255]))
    size = 8 * target.pointer_size
    for nr_cpu_ids in (None, 1 << 31):
        if nr_cpu_ids is not None:
            target.symbols["nr_cpu_ids"] = target.new("nr_cpu_ids", target.encode(nr_cpu_ids, 4))
        assert mask_cpus(target, address) == [0, size * 4 - 1]


@pytest.mark.parametrize("symbol", ["__cpu_online_mask", "cpu_online_bits"])
def test_the_cpus_that_are_online(symbol):
    target = Guest("6.1")
    target.symbols[symbol] = target.new(symbol, mask(target, [0, 1, 3]))
    assert online(target) == "0-1,3"


def test_a_kernel_that_says_nothing_of_its_cpus():
    with pytest.raises(TargetError, match="neither __cpu_online_mask nor cpu_online_bits"):
        online(Guest("6.1"))


@pytest.mark.parametrize("noted, says", [(-1, False), (0, True), (3, True)])
def test_the_cpu_that_panicked_is_noted(noted, says):
    target = Guest("6.1")
    target.symbols["panic_cpu"] = target.new("panic_cpu", target.encode(noted & 0xFFFFFFFF, 4))
    assert panicked(target) is says


def test_a_kernel_that_does_not_note_it():
    with pytest.raises(TargetError, match="does not note it"):
        panicked(Guest("6.1"))
