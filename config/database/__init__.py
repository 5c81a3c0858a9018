"""PostgreSQL as Django speaks to it, with a server that hangs noticed by whoever waits for it."""
