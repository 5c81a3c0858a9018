"""Recording usage: parse, route to an open period, price, write, count, check limits.

entries    one record as sent, and the rules it must meet by itself
parsing    bytes -> entries, refused one by one
terms      what each workspace is priced and limited by, and which periods are open
writing    the set-based statement: records, rollups and counters
recording  one transaction around all of it, and the answer for every entry
combining  concurrent single records written together
"""

from usage.services.ingest.entries import Candidate, Entry, RecordError
from usage.services.ingest.recording import Outcome, Recorded, check_entries, record

__all__ = [
    "Candidate",
    "Entry",
    "Outcome",
    "RecordError",
    "Recorded",
    "check_entries",
    "record",
]
