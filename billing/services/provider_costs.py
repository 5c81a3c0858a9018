"""The cost card: what providers charge for a unit, each from a day on until the next.

Costs are facts, not offers: unlike prices they may reach back. What was recorded keeps the cost
that it was recorded with.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from billing.costs import costs_in_use
from billing.errors import Conflict, Invalid, NotFound
from billing.models import ProviderCost, Workspace
from billing.money import CURRENCIES, without_exponent
from billing.rating import Fault
from billing.services.faults import FaultyInput
from billing.services.overlaps import no_overlap
from billing.services.sheets import Cells, read_sheet, write_sheet
from billing.text import RESOURCE_TYPE, UnfitText, provider_key, recorded_name

MAX_COSTS = 5000
COLUMNS = (
    "provider", "resource_type", "model", "currency", "unit_cost", "starts_on", "ends_on",
    "workspace_id",
)  # fmt: skip


class NewCost(NamedTuple):
    """What a unit costs from a day on: until `ends_on`, or until another one begins."""

    provider: str
    unit_cost: Decimal
    currency: str
    starts_on: dt.date
    resource_type: str = ""
    model: str = ""
    ends_on: dt.date | None = None
    workspace_id: UUID | None = None

    @property
    def use(self) -> tuple[UUID | None, str, str, str]:
        return self.workspace_id, self.provider, self.resource_type, self.model


class CostsChangedMeanwhile(Conflict):
    code = "changed_meanwhile"


class CostsSet(NamedTuple):
    """`costs` in the order in which they were given; of these, how many are new."""

    costs: list[ProviderCost]
    added: int


def set_costs(*, costs: Sequence[NewCost], now: dt.datetime) -> CostsSet:
    """Let each hold from its day on, in place of what the card says from then; all or none.

    What begins on a later day stays. Setting what is there already changes nothing. Raises
    `FaultyInput`.
    """
    costs = [normalized(cost) for cost in costs]
    if faults := list(cost_faults(costs)):
        raise FaultyInput(faults)
    try:
        with transaction.atomic():
            _one_at_a_time()
            known = _locked_rows(costs)
            result = [
                _set_one(cost, index, known.setdefault(cost.use, []), now)
                for index, cost in enumerate(costs)
            ]
    except IntegrityError as error:
        raise CostsChangedMeanwhile("Somebody else changed the same costs: try again.") from error
    return CostsSet([row for row, _ in result], sum(is_new for _, is_new in result))


def _one_at_a_time() -> None:
    """Those who begin the same cost at once would wait for each other at its exclusion.

    Whoever writes costs calls it before any row is locked, else two could wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE billing_providercost IN SHARE ROW EXCLUSIVE MODE")


def _locked_rows(
    costs: Sequence[NewCost],
) -> dict[tuple[UUID | None, str, str, str], list[ProviderCost]]:
    rows = costs_in_use().filter(provider__in={cost.provider for cost in costs}).select_for_update()
    found: dict[tuple[UUID | None, str, str, str], list[ProviderCost]] = {}
    for row in rows.order_by("id"):
        use = (row.workspace_id, row.provider, row.resource_type, row.model)
        found.setdefault(use, []).append(row)
    return found


def _set_one(
    cost: NewCost, index: int, rows: list[ProviderCost], now: dt.datetime
) -> tuple[ProviderCost, bool]:
    """The row that says it, and whether it is new; `rows` are those of the same use."""
    following = min((row.starts_on for row in rows if row.starts_on > cost.starts_on), default=None)
    if cost.ends_on and following and cost.ends_on > following:
        detail = f"Another cost begins before that day, on {following.isoformat()}."
        raise FaultyInput([Fault(f"/costs/{index}/ends_on", "overlaps", detail)])
    for row in rows:
        is_the_same = (row.starts_on, row.unit_cost, row.currency) == (
            cost.starts_on, cost.unit_cost, cost.currency,
        )  # fmt: skip
        if is_the_same and cost.ends_on in (None, row.ends_on):
            return row, False
    for row in list(rows):
        if row.starts_on <= cost.starts_on and (
            row.ends_on is None or row.ends_on > cost.starts_on
        ):
            row.ends_on = cost.starts_on
            row.save(update_fields=["ends_on"])
            if row.starts_on == row.ends_on:
                rows.remove(row)
    made = ProviderCost.objects.create(
        workspace_id=cost.workspace_id,
        provider=cost.provider,
        resource_type=cost.resource_type,
        model=cost.model,
        currency=cost.currency,
        unit_cost=cost.unit_cost,
        starts_on=cost.starts_on,
        ends_on=cost.ends_on or following,
        created_at=now,
    )
    rows.append(made)
    return made, True


def end_cost(*, cost_id: UUID, ends_on: dt.date) -> ProviderCost:
    """From `ends_on` the card does not say it any more. On its own first day: never."""
    with transaction.atomic():
        _one_at_a_time()
        row = ProviderCost.objects.select_for_update().filter(pk=cost_id).first()
        if row is None:
            raise NotFound("There is no such cost.")
        if ends_on < row.starts_on:
            raise Invalid(
                f"It begins on {row.starts_on.isoformat()}: that day or a later one is expected.",
                field="ends_on",
                code="ends_before_its_start",
            )
        row.ends_on = ends_on
        with no_overlap("Another cost begins before that day.", field="ends_on"):
            row.save(update_fields=["ends_on"])
    return row


def normalized(cost: NewCost) -> NewCost:
    """Provider and model as records have them; what is unfit stays, for `faults_of` to name."""
    return cost._replace(
        provider=recorded_name(cost.provider),
        model=recorded_name(cost.model),
        currency=cost.currency.strip().upper(),
    )


def cost_faults(costs: Sequence[NewCost], where: str = "/costs") -> Iterable[Fault]:
    """What is wrong with a list of them; `where` points to it."""
    if not costs:
        yield Fault(where, "required", "There are no costs.")
    if len(costs) > MAX_COSTS:
        yield Fault(where, "too_many_costs", f"At most {MAX_COSTS} at once.")
        return
    seen: dict[tuple[object, ...], int] = {}
    named = {cost.workspace_id for cost in costs if cost.workspace_id}
    known = set(Workspace.objects.filter(pk__in=named).values_list("pk", flat=True))
    for index, cost in enumerate(costs):
        for field, code, detail in faults_of(cost, known):
            yield Fault(f"{where}/{index}/{field}", code, detail)
        other = seen.setdefault((*cost.use, cost.starts_on), index)
        if other != index:
            detail = f"The cost at {other} is for the same use from the same day."
            yield Fault(f"{where}/{index}", "duplicate_match", detail)


def faults_of(cost: NewCost, known: set[UUID]) -> Iterable[tuple[str, str, str]]:
    """Field, code and detail of what is wrong with one; `known` are the workspaces there are."""
    try:
        provider_key(cost.provider)
    except UnfitText as error:
        yield "provider", "invalid_provider", str(error)
    if cost.resource_type and not RESOURCE_TYPE.fullmatch(cost.resource_type):
        detail = "Must be 1 to 64 of a-z, 0-9 and _, beginning with a letter."
        yield "resource_type", "invalid_resource_type", detail
    if cost.model and not cost.resource_type:
        yield "resource_type", "required", "A model needs a resource_type."
    try:
        if cost.model:
            provider_key(cost.model)
    except UnfitText as error:
        yield "model", "invalid_model", str(error)
    if cost.currency not in CURRENCIES:
        yield "currency", "unknown_currency", f"There is no currency {cost.currency!r}."
    if cost.unit_cost < 0:
        yield "unit_cost", "too_small", "A cost is not negative."
    if cost.ends_on is not None and cost.ends_on <= cost.starts_on:
        yield "ends_on", "ends_before_its_start", "Must be after starts_on."
    if cost.workspace_id is not None and cost.workspace_id not in known:
        yield "workspace_id", "unknown_workspace", f"There is no workspace {cost.workspace_id}."


def costs_csv(rows: Iterable[ProviderCost]) -> str:
    """One line a cost; `costs_from_csv` reads it back."""
    return write_sheet(
        COLUMNS,
        (
            {
                "provider": row.provider,
                "resource_type": row.resource_type,
                "model": row.model,
                "currency": row.currency,
                "unit_cost": without_exponent(row.unit_cost.normalize()),
                "starts_on": row.starts_on.isoformat(),
                "ends_on": row.ends_on.isoformat() if row.ends_on else "",
                "workspace_id": str(row.workspace_id or ""),
            }
            for row in rows
        ),
    )


def costs_from_csv(content: bytes, *, needs_days: bool = True) -> list[NewCost]:
    """Raises `Invalid`, which names the first lines that are wrong. Where days do not matter, none
    are needed, and those that are there count for nothing."""

    def read(row: Mapping[str, str]) -> NewCost:
        if needs_days:
            return _cost_of_row(row)
        return _cost_of_row({**row, "starts_on": dt.date.min.isoformat(), "ends_on": ""})

    return read_sheet(content, COLUMNS, read, max_rows=MAX_COSTS, noun="costs")


def _cost_of_row(row: Mapping[str, str]) -> NewCost:
    cells = Cells(row, COLUMNS)
    workspace_id: UUID | None = None
    try:
        workspace_id = UUID(cells["workspace_id"]) if cells["workspace_id"] else None
    except ValueError:
        cells.faults.append(("workspace_id", "This is not a UUID."))
    cost = normalized(
        NewCost(
            cells["provider"],
            cells.decimal("unit_cost", integer_digits=8, decimals=10),
            cells["currency"],
            cells.day("starts_on", otherwise=dt.date.min),
            cells["resource_type"],
            cells["model"],
            cells.day("ends_on", otherwise=dt.date.max) if cells["ends_on"] else None,
            workspace_id,
        )
    )
    known = {workspace_id} if workspace_id else set[UUID]()
    cells.refuse((field, detail) for field, _, detail in faults_of(cost, known))
    return cost
