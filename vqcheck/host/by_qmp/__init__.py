"""QEMU's side from what QEMU says of itself over QMP: no debug information, no ptrace, no stop."""
