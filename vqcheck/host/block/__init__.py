"""QEMU's block layer below a disk: its nodes, its limits, and the coroutines that carry requests through it."""
