"""The truth: tasks, nodes, reservations and events in Redis, changed by one Lua script a verb."""
