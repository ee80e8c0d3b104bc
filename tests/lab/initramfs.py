"""The guest's user space: a busybox, the virtio modules, and an init that writes to /dev/vdb and reports on it.

The kernel command line steers it (the kernel hands unknown words of the form NAME=VALUE to init's environment):
`lab_writers=N` writers run at a time; `lab_runs=N` makes each of them stop after N bursts, 0 means never.
"""
import gzip
import pathlib
import shutil
import subprocess

from .kernel import Kernel

BUSYBOX = pathlib.Path("/bin/busybox")
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

for number in $(seq 0 $((lab_writers - 1))); do
    echo 0 >/run/writer$number
    writer $number &
done
while :; do
    report
    sleep 1
done
"""


def build(kernel: Kernel, target: pathlib.Path) -> pathlib.Path:
    """Write the initramfs for `kernel` to the file `target`, and return it."""
    root = target.with_name(target.name + ".root")
    shutil.rmtree(root, ignore_errors=True)
    (root / "bin").mkdir(parents=True)
    (root / "modules").mkdir()
    shutil.copy(BUSYBOX, root / "bin" / "busybox")
    for module in kernel.modules:
        shutil.copy(module, root / "modules")
    init = root / "init"
    init.write_text(INIT.format(modules=" ".join(module.name for module in kernel.modules), burst=BURST))
    init.chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))) + "\n"
    archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names.encode(),
                             stdout=subprocess.PIPE, check=True).stdout
    target.write_bytes(gzip.compress(archive, compresslevel=1))
    shutil.rmtree(root)
    return target
