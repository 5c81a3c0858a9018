"""Recording usage: parse, find the open period, price, write, count, check limits.

parsing         bytes -> entries, records as sent, refused one by one
checking        the rules an entry must meet by itself, and a record on its way
recording       price, write, check limits that are near, and the outcome of every record; keeps
                the terms that workspaces are priced by
pricing         period, cost and price of a record by those terms, or a refusal
writing         the values of the write statement, and what became of it
statement       the set-based statement: records, rollups and counters

Asked where a record needs it:

pricing_terms   what a workspace is priced and limited by, and which periods are open, read anew
unit_costs      a cost by the cost card, or in another currency
fields          decimals in odd forms, currencies and states of costs
agents          whose agent a record names, and who took its call
known           records whose key was there before
findings        counting what finance should look at
writing_apart   records and their counting in two statements, where records are distributed
"""

from usage.services.ingest.checking import PricedRecord, check_entries
from usage.services.ingest.parsing import Entry, RecordError
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
