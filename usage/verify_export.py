#!/usr/bin/env python3
"""Stand-alone check of exported usage records and their seals; needs Python 3.9 or newer only.

    python3 verify_export.py DIRECTORY [--head DIGEST] [--key-file FILE]

DIRECTORY holds one folder a workspace: seals.ndjson, <sequence>.ndjson with a record a line, and
<sequence>.fingerprints. Checked are every record's fingerprint, the sums, each seal's digest, that
each seal names the one before it, that DIGEST (from an earlier month: an invoice, a mail, a file
of anchors) is one of them and, with the key, that they were made by who has it. Exit status 1 and
a line for each difference; docs/proof.md of the project says what each of these is.
"""

import argparse
import hashlib
import hmac
import json
import sys
from collections.abc import Iterator
from decimal import Decimal, getcontext
from pathlib import Path

SIZE, FLAGS = 16, {None: "", True: "true", False: "false"}
getcontext().prec = 80


def check_records(folder: Path, seal: dict) -> Iterator[str]:
    """Differences between a seal and the exported records of its period."""
    sealed = (folder / f"{seal['sequence']}.fingerprints").read_bytes()
    known = {sealed[at : at + SIZE] for at in range(0, len(sealed), SIZE)}
    digest, count, cost, price, last = hashlib.sha256(), 0, Decimal(0), Decimal(0), ""
    with (folder / f"{seal['sequence']}.ndjson").open("rb") as lines:
        for line in lines:
            record = json.loads(line)
            values = (FLAGS.get(value, value) for value in record.values())
            fingerprint = hashlib.sha256("\x1f".join(values).encode()).digest()[:SIZE]
            digest.update(fingerprint)
            count += 1
            cost += Decimal(record["total_cost"])
            price += Decimal(record["final_cost"])
            if fingerprint not in known:
                yield f"record {record['id']} is not the one that was sealed"
            known.discard(fingerprint)
            if record["billing_period_id"] != seal["period_id"] or record["id"] <= last:
                yield f"record {record['id']} is of another period or out of order"
            last = record["id"]
    for fingerprint in list(known)[:20]:
        yield f"the record with the fingerprint {fingerprint.hex()} is missing or was changed"
    if digest.hexdigest() != seal["records_digest"]:
        yield "the records do not have the digest that was sealed"
    found = (count, cost, price)
    if found != (seal["records"], Decimal(seal["total_cost"]), Decimal(seal["final_cost"])):
        yield f"{count} records of cost {cost} and price {price} are not the sums that were sealed"


def check_workspace(folder: Path, key: bytes) -> Iterator[tuple]:
    """Yields (message, digests seen so far); no message means that a seal is good."""
    before, expected = "", 1
    for line in (folder / "seals.ndjson").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        seal = json.loads(row["seal"])
        where = f"{folder.name} seal {seal['sequence']} ({seal['period_start'][:10]})"
        if hashlib.sha256(row["seal"].encode()).hexdigest() != row["digest"]:
            yield f"{where}: its text does not have its digest", None
        if (seal["sequence"], seal["previous_digest"]) != (expected, before):
            yield f"{where}: it does not follow the seal before it", None
        if key and not hmac.compare_digest(
            hmac.new(key, row["digest"].encode(), hashlib.sha256).hexdigest(), row["mac"]
        ):
            yield f"{where}: it was not made with this key", None
        for message in check_records(folder, seal):
            yield f"{where}: {message}", None
        yield "", (row["digest"], seal)
        before, expected = row["digest"], expected + 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--head", action="append", default=[], help="a digest known from before")
    parser.add_argument("--key-file", type=Path)
    options = parser.parse_args()
    key = options.key_file.read_bytes().strip() if options.key_file else b""
    wrong, digests, records = 0, set[str](), 0
    for folder in sorted(each for each in options.directory.iterdir() if each.is_dir()):
        for message, good in check_workspace(folder, key):
            if good:
                digests.add(good[0])
                records += good[1]["records"]
            else:
                wrong += 1
                print(message)
    for head in set(options.head) - digests:
        wrong += 1
        print(f"no seal has the digest {head}: the chain was cut or replaced")
    print(f"{len(digests)} seals over {records} records, {wrong} differences")
    return 1 if wrong or not digests else 0


if __name__ == "__main__":
    sys.exit(main())
