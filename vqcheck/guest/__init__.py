"""Linux, driver side: from a disk's name to its vrings, requests and interrupts."""
