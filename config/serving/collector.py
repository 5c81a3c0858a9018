"""Python's cyclic garbage collector in a web process; benchmarks of pages have it the same way."""

import gc


def tune() -> None:
    """Take what is imported, and never goes away, out of the collector's sight; with --preload
    workers share it. And let it look less often: a batch of 10,000 records makes some hundred
    thousand objects that hold no cycles, which it would walk over and over, two thirds of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
