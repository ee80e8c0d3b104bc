"""The guest's user space: a busybox, the virtio modules, and an init that writes to a disk and reports on it.

The kernel command line steers it (the kernel hands unknown words of the form NAME=VALUE to init's environment):
`lab_writers=N` writers run at a time on `lab_disk=NAME`; `lab_runs=N` makes each of them stop after N bursts, 0 means
never; `lab_pinned=1` gives each a CPU of its own; `lab_net=1` brings up eth0, and packets to and fro; `lab_mixed=1`
writes to sda too, and keeps packets coming and going;
`lab_survey=1` has it use every device first, hang writes on two disks, and print what Linux made of each device.
"""
import gzip
import pathlib
import shutil
import subprocess
from typing import Iterable

from .kernel import DISK_MODULES, Kernel

BURST = 16
"""Requests in one run of dd; a writer's counter grows by one a burst."""

# Two details of the script.  `1<>` writes over the counter file without truncating it, so that the reporter never
# reads an empty one.  And all work of the reporter besides joining words with commas is done by the shell itself:
# starting programs is slow under emulation, and a report that takes long is not of one instant.
INIT = """#!/bin/busybox sh
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /run
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in {modules}; do
    insmod /modules/$module || echo "LAB-ERROR cannot load $module"
done
for device in /sys/bus/ccw/devices/*/online; do
    [ -e $device ] && echo 1 >$device
done
while [ ! -b /dev/$lab_disk ]; do sleep 0.1; done
cpus=$(nproc)
case $lab_disk in sd*) echo 3600 >/sys/block/$lab_disk/device/timeout ;; esac  # or Linux gives a request up after 30 s
if [ $lab_survey = 1 ]; then
    . /survey
fi
if [ $lab_net = 1 ]; then
    ifconfig eth0 10.0.2.15 up
    ping -c 3 -W 2 10.0.2.2
fi
cat /proc/interrupts
echo "LAB-READY kernel=$(uname -r)"

writer() {{
    runs=0
    while [ $lab_runs = 0 ] || [ $runs -lt $lab_runs ]; do
        dd if=/dev/zero of=/dev/$lab_disk bs=4k count={burst} seek=$(($1 * 1024)) oflag=direct conv=notrunc 2>/dev/null
        runs=$((runs + 1))
        echo $runs 1<>/run/writer$1
    done
}}

commas() {{
    ( IFS=,; echo "$*" )
}}

count_irq() {{
    total=0
    cpu=0
    while [ $cpu -lt $cpus ]; do
        total=$((total + $1))
        cpu=$((cpu + 1))
        shift
    done
    for name; do :; done  # the last word
    irqs="$irqs $irq$name:$total"
}}

report() {{
    read -r uptime idle </proc/uptime
    read -r inflight </sys/block/$lab_disk/inflight
    read -r stat </sys/block/$lab_disk/stat
    irqs=
    while read -r irq counts; do
        case "$counts" in *virtio*|*"Virtual I/O Devices AI") count_irq $counts ;; esac
    done </proc/interrupts
    counts=
    for counter in /run/writer*; do
        read -r count <$counter
        counts="$counts $count"
    done
    echo "LAB uptime=$uptime inflight=$(commas $inflight) stat=$(commas $stat) irqs=$(commas $irqs)" \\
        "writers=$(commas $counts) end"
}}

if [ $lab_survey = 1 ]; then
    while :; do
        dd if=/dev/zero of=/dev/$quick bs=4k count={burst} oflag=direct conv=notrunc 2>/dev/null
        ping -c 1 -W 1 10.0.2.2 >/dev/null
    done &
fi
mixed() {{
    while :; do
        dd if=/dev/zero of=/dev/sda bs=8k count={burst} seek=$(($1 * 1024)) oflag=direct conv=notrunc 2>/dev/null
        dd if=/dev/sda of=/dev/null bs=64k count={burst} iflag=direct 2>/dev/null
    done
}}

if [ $lab_mixed = 1 ]; then
    while [ ! -b /dev/sda ]; do sleep 0.1; done
    mixed 0 & mixed 1 &
    while :; do ping -c 20 -s 1400 -i 0.02 10.0.2.2 >/dev/null; done &
    while :; do ping -c 20 -i 0.03 10.0.2.2 >/dev/null; done &
fi
for number in $(seq 0 $((lab_writers - 1))); do
    echo 0 >/run/writer$number
    writer $number &
    [ $lab_pinned = 0 ] || taskset -p $(printf %x $((1 << number))) $! >/dev/null
done
while :; do
    report
    sleep 1
done
"""


HANGING = {16: 4096, 128: 65536, 512: 262144}
"""First sector and length of each write that hangs on vda and on the second SCSI disk."""

# A write of 512 bytes takes the first second's leave of the throttle group (devices.py), and what comes after it waits
# for minutes.  A SCSI disk would be given up on after 30 s.  Which SCSI disk becomes sda is chance.
SURVEY = """
mount -t debugfs debug /sys/kernel/debug
while [ ! -b /dev/sda ] || [ ! -b /dev/sdb ]; do sleep 0.1; done
quick=$(ls /sys/bus/scsi/devices/*:0:0:0/block)
slow=$(ls /sys/bus/scsi/devices/*:0:1:0/block)
ifconfig eth0 10.0.2.15 up
ping -c 3 -W 2 10.0.2.2
dd if=/dev/zero of=/dev/$quick bs=4k count=4 oflag=direct 2>/dev/null
dd if=/dev/hwrng of=/dev/null bs=16 count=1 2>/dev/null
[ -b /dev/pmem0 ] && dd if=/dev/zero of=/dev/pmem0 bs=4k count=1 conv=fsync 2>/dev/null
mkdir -p /mnt && mount -t virtiofs lab /mnt &
[ -c /dev/hvc0 ] && echo hello >/dev/hvc0
for event in /dev/input/event*; do
    [ -c $event ] && cat $event >/dev/null &
done
echo 3600 >/sys/block/$slow/device/timeout
for disk in vda $slow; do
    echo "LAB-HANGS disk=$disk end"
    dd if=/dev/zero of=/dev/$disk bs=512 count=1 oflag=direct 2>/dev/null
    for size in {sizes}; do
        dd if=/dev/zero of=/dev/$disk bs=${{size#*:}} count=1 seek=${{size%:*}} oflag=direct 2>/dev/null &
    done
done
sleep 1
for device in /sys/bus/virtio/devices/*; do
    driver=$(readlink $device/driver)
    echo "LAB-DEVICE name=${{device##*/}} id=$(cat $device/device) driver=${{driver##*/}}" \\
        "status=$(cat $device/status) features=$(cat $device/features) path=$(readlink -f $device) end"
done
for kind in block net scsi_host input virtio-ports drm; do
    for one in /sys/class/$kind/*; do
        [ -e $one ] && echo "LAB-CLASS path=$(readlink -f $one) end"
    done
done
for disk in /sys/kernel/debug/block/*; do
    for file in state tags sched_tags dispatch busy; do
        for queue in $disk/hctx*; do
            [ -e $queue/$file ] && while read -r line; do
                echo "LAB-BLOCK disk=${{disk##*/}} queue=${{queue##*hctx}} file=$file $line end"
            done <$queue/$file
        done
    done
done
for one in address carrier operstate statistics/rx_packets statistics/tx_packets; do
    echo "LAB-NET name=eth0 $one=$(cat /sys/class/net/eth0/$one) end"
done
echo "LAB-BOOT id=$(cat /proc/sys/kernel/random/boot_id) end"
echo "LAB-UPTIME seconds=$(cut -d ' ' -f 1 /proc/uptime) end"
echo "LAB-CMDLINE $(cat /proc/cmdline) end"
"""


def build(kernel: Kernel, target: pathlib.Path, modules: Iterable[str] = DISK_MODULES) -> pathlib.Path:
    """Write the initramfs for `kernel` to the file `target`, and return it; the guest loads `modules`."""
    files = kernel.load_order(modules)
    root = target.with_name(target.name + ".root")
    shutil.rmtree(root, ignore_errors=True)
    (root / "bin").mkdir(parents=True)
    (root / "modules").mkdir()
    shutil.copy(kernel.busybox, root / "bin" / "busybox")
    for module in files:
        shutil.copy(module, root / "modules")
    init = root / "init"
    init.write_text(INIT.format(modules=" ".join(module.name for module in files), burst=BURST))
    init.chmod(0o755)
    sizes = " ".join(f"{sector * 512 // length}:{length}" for sector, length in HANGING.items())
    (root / "survey").write_text(SURVEY.format(sizes=sizes))
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))) + "\n"
    archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names.encode(),
                             stdout=subprocess.PIPE, check=True).stdout
    target.write_bytes(gzip.compress(archive, compresslevel=1))
    shutil.rmtree(root)
    return target
