"""What is metered: how people call each resource type, and the unit it counts in.

Types beyond the built-in ones are accepted too: their names are made readable.
"""

from typing import NamedTuple

from django.conf import settings

_LABELS = {
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


def resource(resource_type: str) -> Resource:
    """Label and unit of a type: "gpu_seconds" is "Gpu Seconds", counted in "units"."""
    readable = resource_type.replace("_", " ").strip().title()
    return Resource(
        _LABELS.get(resource_type, readable),
        settings.RESOURCE_UNITS.get(resource_type, "units"),
    )


def provider_name(provider: str) -> str:
    return _PROVIDERS.get(provider, provider)
