"""What a poster says, in the languages of drivers."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["WORDS", "PosterWords"]


@dataclass(frozen=True)
class PosterWords:
    """One language: the headline, three steps, and what the connector's label is called."""

    headline: str
    steps: tuple[str, str, str]
    connector: str


WORDS: Mapping[str, PosterWords] = {
    "en": PosterWords(
        "Scan to check in",
        (
            "Scan this code with your phone's camera.",
            "Sign in with the address of your booking.",
            "Press “Check in” before your grace period ends.",
        ),
        "Connector",
    ),
    "de": PosterWords(
        "Zum Einchecken scannen",
        (
            "Scannen Sie den Code mit der Kamera Ihres Handys.",
            "Melden Sie sich mit der Adresse Ihrer Buchung an.",
            "Drücken Sie „Einchecken“, bevor die Karenzzeit endet.",
        ),
        "Anschluss",
    ),
    "es": PosterWords(
        "Escanee para registrarse",
        (
            "Escanee este código con la cámara del móvil.",
            "Entre con la dirección de su reserva.",
            "Pulse «Registrarse» antes de que acabe el margen.",
        ),
        "Conector",
    ),
    "fr": PosterWords(
        "Scannez pour vous enregistrer",
        (
            "Scannez ce code avec l'appareil photo du téléphone.",
            "Connectez-vous avec l'adresse de votre réservation.",
            "Touchez « S'enregistrer » avant la fin du délai.",
        ),
        "Connecteur",
    ),
    "hi": PosterWords(
        "चेक-इन के लिए स्कैन करें",
        (
            "फ़ोन के कैमरे से यह कोड स्कैन करें।",
            "अपनी बुकिंग वाले पते से साइन इन करें।",
            "छूट का समय ख़त्म होने से पहले “चेक-इन” दबाएँ।",
        ),
        "कनेक्टर",
    ),
    "ne": PosterWords(
        "चेक-इन गर्न स्क्यान गर्नुहोस्",
        (
            "फोनको क्यामेराले यो कोड स्क्यान गर्नुहोस्।",
            "आफ्नो बुकिङको ठेगानाले साइन इन गर्नुहोस्।",
            "छुट समय सकिनुअघि “चेक-इन” थिच्नुहोस्।",
        ),
        "कनेक्टर",
    ),
}
"""By code of the language."""
