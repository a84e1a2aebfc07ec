"""Many design points over weighted workloads: what is tried, what came out, and the best of it."""
