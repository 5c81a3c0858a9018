"""Who the demo's workspaces are. Names are invented; addresses are on `.example`."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

_NAMESPACE = UUID("6f1c3c0e-6f0e-5f0b-9a43-0c8b6f6b2d11")
FINANCE_EMAIL = "finance@voice-platform.example"
# Approves what one person alone may not.
SECOND_EMAIL = "controlling@voice-platform.example"


class Story(Enum):
    """What a visitor is to see in a workspace, beyond ordinary use."""

    PAID = "last month paid"
    NEAR_LIMIT = "last month paid, and charged back; near its usage limit"
    OVER_LIMIT = "last month paid; over its usage limit, agents paused"
    DECLINED = "card declined, suspended"
    CREDITED = "last month paid; 20.00 of it given back, two calls disputed"
    PART_PAID = "pays by transfer; half of last month has come"


class Hours(Enum):
    """Weights of the 24 hours of a local day."""

    OFFICE = (0, 0, 0, 0, 0, 0, 1, 4, 12, 18, 19, 15, 9, 12, 16, 16, 12, 7, 3, 1, 0, 0, 0, 0)
    EVENING = (1, 0, 0, 0, 0, 0, 0, 0, 1, 3, 6, 10, 9, 5, 4, 6, 10, 17, 19, 16, 10, 5, 2, 1)
    ALWAYS = (4, 3, 3, 2, 2, 3, 4, 6, 7, 8, 8, 7, 7, 7, 8, 8, 8, 7, 7, 6, 6, 5, 5, 4)


@dataclass(frozen=True)
class PostalAddress:
    line1: str
    city: str
    postal_code: str
    country: str
    state: str = ""


@dataclass(frozen=True)
class Company:
    slug: str
    name: str
    timezone: str
    currency: str
    tier: str
    story: Story
    address: PostalAddress
    agents: tuple[str, ...]
    # On an ordinary weekday; weekends have `weekend_percent` of it.
    calls_a_day: int
    weekend_percent: int
    inbound_percent: int
    hours: Hours
    telephony: str
    transcription: str
    synthesis: str
    markup_percentage: Decimal | None = None
    # In which providers charge for its transcription and synthesis, if not in its own.
    foreign_costs: str = ""
    # The agent, by its place, that speaks with a dearer voice than the contract was made for.
    dear_agent: int | None = None
    # Charged once, with its first month.
    set_up_fee: Decimal | None = None
    # Of its invoices and mails, and of its owner's pages.
    language: str = "en"
    # The code of the company that invoices it; without one, the settings' issuer.
    issuing_entity: str = ""
    e_invoice_format: str = "none"
    buyer_reference: str = ""

    @property
    def id(self) -> UUID:
        return uuid5(_NAMESPACE, self.slug)

    @property
    def costs_in(self) -> str:
        return self.foreign_costs or self.currency

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def owner_email(self) -> str:
        return f"owner@{self.slug}.example"


PERSONAS = (
    Company(
        slug="bluebird",
        name="Bluebird Dental",
        timezone="America/Chicago",
        currency="USD",
        tier="pro",
        story=Story.PAID,
        address=PostalAddress("240 Congress Avenue", "Austin", "78701", "US", state="TX"),
        agents=("Front desk", "Recall reminders", "After hours"),
        calls_a_day=62,
        weekend_percent=15,
        inbound_percent=70,
        hours=Hours.OFFICE,
        telephony="twilio",
        transcription="deepgram",
        synthesis="elevenlabs",
        set_up_fee=Decimal("120.00"),
    ),
    Company(
        slug="kranich",
        name="Kranich Logistik",
        timezone="Europe/Berlin",
        currency="EUR",
        tier="pro",
        story=Story.CREDITED,
        address=PostalAddress("Am Westhafen 12", "Berlin", "13353", "DE"),
        agents=("Disposition", "Zustellung"),
        calls_a_day=48,
        weekend_percent=30,
        inbound_percent=45,
        hours=Hours.OFFICE,
        telephony="telnyx",
        transcription="deepgram",
        synthesis="cartesia",
        foreign_costs="USD",
        dear_agent=1,
        language="de",
        issuing_entity="DE",
        e_invoice_format="xrechnung",
        buyer_reference="KST 4711",
    ),
    Company(
        slug="annapurna",
        name="Annapurna Treks",
        timezone="Asia/Kathmandu",
        currency="USD",
        tier="starter",
        story=Story.NEAR_LIMIT,
        address=PostalAddress("Thamel Marg 4", "Kathmandu", "44600", "NP"),
        agents=("Bookings", "Guides' line"),
        calls_a_day=24,
        weekend_percent=90,
        inbound_percent=80,
        hours=Hours.ALWAYS,
        telephony="twilio",
        transcription="assemblyai",
        synthesis="elevenlabs",
    ),
    Company(
        slug="hanami",
        name="Hanami Dining",
        timezone="Asia/Tokyo",
        currency="JPY",
        tier="pro",
        story=Story.PAID,
        address=PostalAddress("Jingumae 3-14-8", "Tokyo", "150-0001", "JP"),
        agents=("Reservations", "Waiting list"),
        calls_a_day=32,
        weekend_percent=160,
        inbound_percent=85,
        hours=Hours.EVENING,
        telephony="telnyx",
        transcription="assemblyai",
        synthesis="cartesia",
        language="ja",
    ),
    Company(
        slug="thameside",
        name="Thameside Lettings",
        timezone="Europe/London",
        currency="GBP",
        tier="starter",
        story=Story.OVER_LIMIT,
        address=PostalAddress("18 Butler's Wharf", "London", "SE1 2YE", "GB"),
        agents=("Viewings", "Repairs"),
        calls_a_day=34,
        weekend_percent=55,
        inbound_percent=60,
        hours=Hours.ALWAYS,
        telephony="twilio",
        transcription="deepgram",
        synthesis="elevenlabs",
    ),
    Company(
        slug="redwood",
        name="Redwood Recovery",
        timezone="America/Los_Angeles",
        currency="USD",
        tier="starter",
        story=Story.DECLINED,
        address=PostalAddress("77 Alder Court", "Oakland", "94607", "US", state="CA"),
        agents=("Reminders", "Payment plans"),
        calls_a_day=30,
        weekend_percent=10,
        inbound_percent=20,
        hours=Hours.OFFICE,
        telephony="telnyx",
        transcription="deepgram",
        synthesis="cartesia",
    ),
    Company(
        slug="southerly",
        name="Southerly Energy",
        timezone="Australia/Sydney",
        currency="USD",
        tier="pro",
        story=Story.PART_PAID,
        address=PostalAddress("5 Wattle Lane", "Sydney", "2010", "AU", state="NSW"),
        agents=("Outages", "Meter readings"),
        calls_a_day=38,
        weekend_percent=70,
        inbound_percent=75,
        hours=Hours.ALWAYS,
        telephony="twilio",
        transcription="assemblyai",
        synthesis="cartesia",
        markup_percentage=Decimal(15),
    ),
    Company(
        slug="foxglove",
        name="Foxglove Studio",
        timezone="UTC",
        currency="EUR",
        tier="free",
        story=Story.PAID,
        address=PostalAddress("Rua do Norte 31", "Lisboa", "1200-283", "PT"),
        agents=("Concierge",),
        calls_a_day=10,
        weekend_percent=40,
        inbound_percent=90,
        hours=Hours.EVENING,
        telephony="telnyx",
        transcription="deepgram",
        synthesis="elevenlabs",
    ),
)
# Whose id the demo prints for the README's first request: it pays by the platform's markup alone.
README_COMPANY = next(company for company in PERSONAS if company.slug == "foxglove")
