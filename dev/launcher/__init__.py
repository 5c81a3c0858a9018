"""`make serve`, `make demo` and `make demo-reset`: every part of the system, started as one.

Starts what the environment does not provide (PostgreSQL, Valkey, the Stripe
sandbox), brings the database up to date, then runs web, worker and beat until
it is told to stop or one of them ends.
"""
