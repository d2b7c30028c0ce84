"""The deterministic world: simulated devices and the seeded scheduler."""
