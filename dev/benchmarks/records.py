"""Usage as a voice platform sends it: calls with telephony, transcription, synthesis, storage."""

import datetime as dt
import json
import random
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

KINDS = [
    ("call_minutes", "twilio", "0.0085"),
    ("call_minutes", "telnyx", "0.0070"),
    ("transcription", "deepgram", "0.0043"),
    ("synthesis", "elevenlabs", "0.000180"),
    ("storage", "aws", "0.000023"),
]
# Stands in prepared bodies for what makes a run's keys its own; of the same length.
RUN_MARK = "RUNMARK0"


# As a collector sends it, that knows every service there is.
MANY_KINDS = [
    *KINDS,
    *((f"{kind}_{number}", provider, cost) for number in (2, 3) for kind, provider, cost in KINDS),
    ("llm_tokens", "openai", "0.0000025"),
]


def record(
    rng: random.Random,
    workspace: str,
    number: int,
    now: dt.datetime,
    kinds: Sequence[tuple[str, str, str]] = KINDS,
) -> dict[str, Any]:
    kind, provider, cost = kinds[rng.randrange(len(kinds))]
    return {
        "idempotency_key": f"{RUN_MARK}-{number:010d}",
        "workspace_id": workspace,
        "resource_type": kind,
        "provider": provider,
        "quantity": f"{rng.randrange(1, 9_000_000) / 10_000:.4f}",
        "unit_cost": cost,
        "occurred_at": (now - dt.timedelta(seconds=rng.randrange(3600))).isoformat(),
        "call_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    }


class Bodies:
    """Batch bodies whose keys are new in every run, made without encoding them again."""

    def __init__(
        self,
        workspaces: Sequence[str],
        *,
        size: int,
        count: int,
        seed: int = 7,
        kinds: Sequence[tuple[str, str, str]] = KINDS,
        agents: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """With `agents` (by workspace) each record has one of them, and a model."""
        rng = random.Random(seed)  # noqa: S311 - test data
        now = dt.datetime.now(dt.UTC)
        self.size = size
        self._templates = [
            json.dumps(
                {
                    "records": [
                        self._with_agent(
                            rng,
                            agents,
                            record(rng, rng.choice(workspaces), batch * size + number, now, kinds),
                        )
                        for number in range(size)
                    ]
                },
                separators=(",", ":"),
            ).encode()
            for batch in range(count)
        ]

    @staticmethod
    def _with_agent(
        rng: random.Random, agents: Mapping[str, Sequence[str]] | None, made: dict[str, Any]
    ) -> dict[str, Any]:
        if agents is not None:
            made["agent_id"] = rng.choice(agents[made["workspace_id"]])
            made["model"] = f"{made['provider']}-2"
        return made

    def for_run(self, mark: str) -> list[bytes]:
        if len(mark) != len(RUN_MARK):
            raise ValueError("a run's mark has the length of RUN_MARK")
        return [template.replace(RUN_MARK.encode(), mark.encode()) for template in self._templates]

    def single_records(self, mark: str) -> list[bytes]:
        return [
            json.dumps(each, separators=(",", ":")).encode()
            for body in self.for_run(mark)
            for each in json.loads(body)["records"]
        ]
