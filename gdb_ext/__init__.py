"""`(gdb) vq-host`: the device's view of each virtqueue, from a live QEMU or its core.

`vq_host.py` is the file to source in gdb; the other modules need gdb's embedded Python.
"""
