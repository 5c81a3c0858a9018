"""Whatever texts stand in a body, a name used twice is found and nothing else is taken for one."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from usage.services.ingest import Entry, RecordError
from usage.services.ingest.parsing import usage_parser

# What makes the end of a name, in any order, and letters that escape or encode differently.
texts = st.text(st.sampled_from('":\\ \t\n,{}ué'), max_size=6)
NAMES = ["idempotency_key", "workspace_id", "resource_type", "provider"]


@st.composite
def objects(draw) -> tuple[str, bool]:
    """A record as JSON, and whether it names a field twice."""
    pairs = [(name, draw(texts)) for name in NAMES] + [("quantity", "1"), ("unit_cost", "2")]
    if draw(st.booleans()):
        pairs.append(("call_id", draw(st.sampled_from([None, "x"]))))
    twice = draw(st.booleans())
    if twice:
        name, _ = draw(st.sampled_from(pairs))
        pairs.append((name, draw(texts)))
    colon = draw(st.sampled_from([":", ": ", " : ", "\t:", "\n:", " \r:"]))
    escaped = draw(st.booleans())
    body = ",".join(
        f"{json.dumps(name)}{colon}{json.dumps(value, ensure_ascii=escaped)}"
        for name, value in pairs
    )
    return "{" + body + "}", twice


@given(st.lists(objects(), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_name_used_twice_is_found_in_any_spelling(records):
    body = '{"records":[' + ",".join(text for text, _ in records) + "]}"

    entries = usage_parser.json(body.encode())

    for entry, (text, twice) in zip(entries, records, strict=True):
        if twice:
            assert isinstance(entry, RecordError)
            assert entry.code == "duplicate_key"
        else:
            assert isinstance(entry, Entry)
            assert entry.provider == json.loads(text)["provider"]
