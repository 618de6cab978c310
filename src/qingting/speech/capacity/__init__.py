"""How many calls a speech server carries: computed from published or measured throughput."""
