"""What the virtio specification says: pure functions on bytes and integers."""
