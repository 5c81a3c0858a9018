"""Recording usage: parse, route to an open period, price, write, count, check limits.

entries    one record as sent, on its way, and as stored
parsing    bytes -> entries, refused one by one
checking   the rules an entry must meet by itself
terms      what each workspace is priced and limited by, and which periods are open
statement  the set-based statement: records, rollups and counters
writing    its values, and what became of it
recording  price, write, check limits that are near, and the answer for every entry
combining  concurrent single records written together
"""

from usage.services.ingest.checking import check_entries
from usage.services.ingest.entries import Candidate, Entry, RecordError
from usage.services.ingest.recording import Outcome, Recorded, record

__all__ = [
    "Candidate",
    "Entry",
    "Outcome",
    "RecordError",
    "Recorded",
    "check_entries",
    "record",
]
