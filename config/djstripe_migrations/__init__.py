"""dj-stripe's migrations as one: what `MIGRATION_MODULES` names for the app `djstripe`.

Its own three create 65 models and then remove 518 of their columns one by one,
which takes half a minute of every fresh database, and so of every first
`make demo` and `make test`. Here the tables are made once, as all three leave them.

When dj-stripe brings another migration, a test fails until a module here
carries it: `from djstripe.migrations.<name> import Migration`.
"""
