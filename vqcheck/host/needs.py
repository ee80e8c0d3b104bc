"""What the walkers ask a QEMU for by name: the content of a layout file.

Whoever makes a walker ask for another symbol or type adds it here; tests hold this list against the walkers' source and
against every recording.  Of a type all members are saved, those of structs inside it too, so members need no list.
"""
import re

TYPES = (
    # QOM, qdev, the process as a whole
    "struct Object", "struct ObjectClass", "struct ObjectProperty", "struct TypeImpl", "struct QEnumLookup",
    "struct DeviceState", "struct BusState", "struct BusChild", "struct MachineState", "struct VMChangeStateEntry",
    "struct MigrationIncomingState", "struct CPUState", "struct QemuThread", "struct QemuMutex", "GArray",
    # The guest's memory
    "struct AddressSpace", "struct FlatView", "struct FlatRange", "struct MemoryRegion", "struct RAMBlock",
    "struct HostMemoryBackend", "struct VirtIOMEM", "struct VMCoreInfoState",
    # virtio and its transports
    "struct VirtIODevice", "struct VirtQueue", "struct VirtQueueElement", "struct VRingMemoryRegionCaches",
    "struct VirtioBusState", "struct PCIDevice", "struct PCIBus", "struct PXBDev", "struct SysBusDevice",
    "struct VirtIOPCIProxy", "struct VirtIOPCIQueue", "VirtIOIRQFD", "struct VirtIOMMIOProxy",
    "struct VirtIOMMIOQueue", "struct CcwDevice", "struct VirtioCcwDevice", "struct SubchDev", "struct IndAddr",
    # KVM, vhost
    "struct KVMState", "struct kvm_irq_routing", "struct kvm_irq_routing_entry",
    "struct vhost_dev", "struct vhost_virtqueue", "struct VhostOps",
    # Event loops, coroutines
    "struct AioContext", "struct AioHandler", "struct IOThread", "struct QEMUBH", "struct BHListSlice",
    "struct Coroutine", "CoroutineUContext", "CoQueue", "DeferCallThreadState",
    "struct LinuxAioState", "LaioQueue", "struct qemu_laiocb", "struct LuringState", "LuringQueue", "LuringAIOCB",
    "struct ThreadPool", "struct ThreadPoolElement", "struct ThreadPoolAio", "struct ThreadPoolElementAio",
    # Block layer
    "struct BlockBackend", "struct BlockDriverState", "struct BlockDriver", "struct BdrvChild",
    "struct BdrvTrackedRequest", "struct BlockAIOCB", "struct BlkAioEmAIOCB", "DMAAIOCB",
    "ThrottleGroupMember", "struct ThrottleGroup", "LeakyBucket", "BDRVBlkdebugState",
    "struct BlkdebugSuspendedReq",
    # Device models
    "struct VirtIOBlock", "struct VirtIOBlockReq", "struct VirtIOBlockDataPlane",
    "struct VirtIOSCSI", "struct VirtIOSCSIReq", "struct SCSIDevice", "struct SCSIRequest", "struct SCSIDiskReq",
    "struct VirtIONet", "VirtIONetQueue", "struct NICState", "struct NetClientState", "struct NetQueue",
    "struct VirtIOSerial", "struct VirtIOSerialPort", "struct VirtIOBalloon",
    "struct VirtIOGPU", "struct virtio_gpu_ctrl_command", "struct V9fsVirtioState",
)

SYMBOLS = (
    # What walkers begin with
    "vm_change_state_head", "main_system_bus", "current_machine", "current_run_state", "current_incoming",
    "qemu_name", "qemu_uuid", "qemu_uuid_set", "cpus", "cpus_queue", "io_thread",
    "qemu_aio_context", "iohandler_ctx", "block_backends", "reader_queue", "vhost_devices", "kvm_state",
    "bql", "qemu_global_mutex", "address_space_memory",
    # Names of enumerations' values
    "RunState_lookup", "MigrationStatus_lookup", "BlockDeviceIoStatus_lookup", "BlockdevOnError_lookup",
    # Where the program begins, by which its place is known
    "_start",
    # What a handle of the block layer's is
    "dma_aiocb_info",
)

NAMES = re.compile(r"^virtio_vmstate_change$|^blk_aio_\w+_entry$|^virtio_blk_\w+_complete$|^thread_pool_co_cb$|"
                   r"_bh$|_bh_|^(notify_event_cb|job_exit|reschedule_dma)$")
"""Functions that pointers may lead to: handlers, entries of coroutines, callbacks, bottom halves; up to QEMU 5.2 these
have no names but their functions'."""

TLS = ("co_tls_defer_call_thread_state",)

STACKS = re.compile(r"^(main|_start)$|^(aio|fdmon|os_host|main_loop|qemu|bql|iothread|co|coroutine|thread_pool|worker|"
                    r"laio|luring|defer|run_poll|call_rcu|rcu|event_notifier|mttcg|rr|tcg|cpu|kvm|memory_region|"
                    r"address_space|virtio|virtqueue|vring|vhost|msix?|pci|scsi|dma|blk|bdrv|block|throttle|raw|qcow2|blkdebug|nbd|"
                    r"rbd|iscsi|nvme|job|mirror|backup|commit|stream|bitmap|migration|qmp|hmp|monitor|qio|tap|slirp|"
                    r"net|do_run|vm|io_uring|handle|timerlist|timer)_")
"""Functions that stacks may hold, as far as they tell what a thread or a coroutine is at: event loops, virtio, the
block layer, jobs, monitors, vCPUs."""
