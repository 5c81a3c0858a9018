"""Names and units of resource types, and names of providers.

Types beyond the built-in ones are accepted too: their names are made readable.
"""

from typing import NamedTuple

from django.conf import settings

from billing.formats import word

# In the order in which invoices list them.
LABELS = {
    "call_minutes": "Call Minutes",
    "transcription": "Transcription",
    "synthesis": "Voice Synthesis",
    "storage": "Recording Storage",
}
# Providers are free text; these are how the best known write themselves.
_PROVIDERS = {
    "anthropic": "Anthropic",
    "assemblyai": "AssemblyAI",
    "aws": "AWS",
    "azure": "Azure",
    "cartesia": "Cartesia",
    "deepgram": "Deepgram",
    "elevenlabs": "ElevenLabs",
    "gcp": "Google Cloud",
    "google": "Google",
    "openai": "OpenAI",
    "plivo": "Plivo",
    "telnyx": "Telnyx",
    "twilio": "Twilio",
    "vonage": "Vonage",
}


class Resource(NamedTuple):
    label: str
    unit: str


def resource_name(resource_type: str) -> str:
    """`sms_segments` as "Sms Segments"; the built-in types have names of their own."""
    return LABELS.get(resource_type) or resource_type.replace("_", " ").strip().title()


def resource(resource_type: str) -> Resource:
    """Label and unit; a type without a unit of its own counts in "units"."""
    unit = settings.RESOURCE_UNITS.get(resource_type, "units")
    return Resource(word(resource_name(resource_type)), word(unit))


def provider_name(provider: str) -> str:
    return _PROVIDERS.get(provider, provider)
