"""The guest's user space: a busybox, the virtio modules, and an init that writes to /dev/vdb and reports on it.

The kernel command line steers it (the kernel hands unknown words of the form NAME=VALUE to init's environment):
`lab_writers=N` writers run at a time; `lab_runs=N` makes each of them stop after N bursts, 0 means never;
`lab_survey=1` has it use every device first, and print what Linux made of each.
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
while [ ! -b /dev/vdb ]; do sleep 0.1; done
if [ $lab_survey = 1 ]; then
    mount -t debugfs debug /sys/kernel/debug
    while [ ! -b /dev/sda ]; do sleep 0.1; done
    ifconfig eth0 10.0.2.15 up
    ping -c 3 -W 2 10.0.2.2
    for device in /sys/bus/virtio/devices/*; do
        driver=$(readlink $device/driver)
        echo "LAB-DEVICE name=${{device##*/}} id=$(cat $device/device) driver=${{driver##*/}}" \
            "features=$(cat $device/features) path=$(readlink -f $device) end"
    done
    for one in /sys/class/block/* /sys/class/net/* /sys/class/scsi_host/* /sys/class/input/*; do
        echo "LAB-CLASS path=$(readlink -f $one) end"
    done
    echo "LAB-BOOT id=$(cat /proc/sys/kernel/random/boot_id) end"
    dd if=/dev/zero of=/dev/sda bs=4k count=4 oflag=direct 2>/dev/null
    dd if=/dev/hwrng of=/dev/null bs=16 count=1 2>/dev/null
fi
cat /proc/interrupts
echo "LAB-READY kernel=$(uname -r)"

writer() {{
    runs=0
    while [ $lab_runs = 0 ] || [ $runs -lt $lab_runs ]; do
        dd if=/dev/zero of=/dev/vdb bs=4k count={burst} seek=$(($1 * 1024)) oflag=direct conv=notrunc 2>/dev/null
        runs=$((runs + 1))
        echo $runs 1<>/run/writer$1
    done
}}

commas() {{
    ( IFS=,; echo "$*" )
}}

report() {{
    read -r uptime idle </proc/uptime
    read -r inflight </sys/block/vdb/inflight
    read -r stat </sys/block/vdb/stat
    irqs=
    while read -r irq cpu0 cpu1 what; do
        case "$what" in *virtio*) irqs="$irqs $irq${{what##* }}:$((cpu0 + cpu1))" ;; esac
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
        dd if=/dev/zero of=/dev/sda bs=4k count={burst} oflag=direct conv=notrunc 2>/dev/null
        ping -c 1 -W 1 10.0.2.2 >/dev/null
    done &
fi
for number in $(seq 0 $((lab_writers - 1))); do
    echo 0 >/run/writer$number
    writer $number &
done
while :; do
    report
    sleep 1
done
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
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))) + "\n"
    archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names.encode(),
                             stdout=subprocess.PIPE, check=True).stdout
    target.write_bytes(gzip.compress(archive, compresslevel=1))
    shutil.rmtree(root)
    return target
