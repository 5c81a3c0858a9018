"""Python's cyclic garbage collector in a web process; benchmarks of pages have it the same way."""

import gc


def freeze() -> None:
    """Take what is imported, and never goes away, out of the collector's sight."""
    gc.collect()
    gc.freeze()


def tune() -> None:
    """For a process that answers requests.

    A batch of 10,000 records makes some hundred thousand objects that hold no cycles: with the
    default thresholds the collector would walk all of them over and over, for two thirds of the
    time.
    """
    freeze()
    gc.set_threshold(200_000, 50, 100)
