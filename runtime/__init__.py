"""Boots a node: config, keyfile, store, packages, CLI, real devices. `runtime.sim` holds the simulated ones."""
