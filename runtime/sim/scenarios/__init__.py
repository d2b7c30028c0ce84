"""The parts of a scenario: what `runtime.sim.scenario` reads, plays and writes back (docs/scenarios.md)."""
