"""What is wrong with a cluster, and the fix: pure judgements of what `ormen.store.examining` has read."""
