"""A zoo of planted bugs, and the workloads that find them: each workload holds in every world without one."""
