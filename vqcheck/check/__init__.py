"""The joint checker: pairs the two sides' queues, tests whether they can be compared, and names the lost event."""
