"""The parts of a made-up Linux guest: types by kernel release, the driver core, queues, interrupts."""
