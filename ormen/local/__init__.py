"""What a cluster on one machine needs: find or start Redis, choose ports, supervise the processes."""
