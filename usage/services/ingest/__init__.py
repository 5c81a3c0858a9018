"""Recording usage: parse, find the open period, price, write, count, check limits.

entries         one record as sent, as priced, as a row, and as stored
parsing         bytes -> entries, refused one by one
checking        the rules an entry must meet by itself
pricing_terms   what each workspace is priced and limited by, and which periods are open
statement       the set-based statement: records, rollups and counters
writing         its values, and what became of it
pricing         period, cost and price of a record, or a refusal
findings        counting what finance should look at
known           records whose key was there before
recording       price, write, check limits that are near, and the outcome of every record
"""

from usage.services.ingest.checking import check_entries
from usage.services.ingest.entries import Entry, PricedRecord, RecordError
from usage.services.ingest.recording import Recorded, RecordOutcome, record_usage

__all__ = [
    "Entry",
    "PricedRecord",
    "RecordError",
    "RecordOutcome",
    "Recorded",
    "check_entries",
    "record_usage",
]
