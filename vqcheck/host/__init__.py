"""QEMU, device side: from "virtio-disk1" to its VirtQueues, notifiers, block layer and vectors."""
