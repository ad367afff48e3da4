"""The places and people of the demo town, as data. Cities and positions are real; stations and people are not."""

import unicodedata
from dataclasses import dataclass

__all__ = [
    "CATALOGUE",
    "DRIVERS",
    "OPERATOR",
    "OWNERS",
    "VENDORS",
    "VISITOR",
    "DemoConnector",
    "DemoDriver",
    "DemoStation",
]


@dataclass(frozen=True)
class DemoConnector:
    """`price` in minor units an hour."""

    label: str
    type: str
    power_kw: float
    price: int


@dataclass(frozen=True)
class DemoStation:
    """One station. The last connector of each is kept free for the person who tries slotwatch."""

    vendor: str
    name: str
    address: str
    latitude: float
    longitude: float
    zone: str
    currency: str
    connectors: tuple[DemoConnector, ...]
    opens: str | None = None  # None: always open
    closes: str | None = None


@dataclass(frozen=True)
class DemoDriver:
    """One driver."""

    subject: str
    name: str
    email: str
    phone: str


VENDORS = ("Nordlicht Charging", "Blue Harbour Power")
OWNERS = ("nora@example.org", "bashir@example.org")
"""Who signs in for each of the vendors."""
OPERATOR = "olga@example.org"


def _row(*connectors: tuple[str, str, float, int]) -> tuple[DemoConnector, ...]:
    return tuple(DemoConnector(*connector) for connector in connectors)


_NORDLICHT, _BLUE = VENDORS
_THREE = _row(("1A", "CCS", 150, 2900), ("1B", "CCS", 150, 2900), ("2", "Type2", 22, 900))

CATALOGUE: tuple[DemoStation, ...] = (
    DemoStation(
        *(_NORDLICHT, "Prater Yard", "Ausstellungsstraße 44, 1020 Wien", 48.2181, 16.4009, "Europe/Vienna", "EUR"),
        _row(("1A", "CCS", 300, 4200), ("1B", "CCS", 300, 4200), ("2A", "Type2", 22, 950), ("2B", "Type2", 11, 650)),
    ),
    DemoStation(
        *(_NORDLICHT, "Cais Green", "Cais do Sodré 8, 1200 Lisboa", 38.7059, -9.1444, "Europe/Lisbon", "EUR"),
        _row(("1", "CCS", 150, 2800), ("2", "CHAdeMO", 50, 1800), ("3", "Type2", 22, 850)),
    ),
    DemoStation(
        *(_NORDLICHT, "Hudson Deck", "12th Avenue 610, New York", 40.7645, -73.9998, "America/New_York", "USD"),
        _row(("A", "CCS", 350, 5400), ("B", "NACS", 250, 4900), ("C", "NACS", 250, 4900), ("D", "J1772", 19, 1200)),
    ),
    DemoStation(
        *(_BLUE, "Thamel Courtyard", "Thamel Marg 17, Kathmandu", 27.7154, 85.3123, "Asia/Kathmandu", "NPR"),
        _row(("1", "CCS", 60, 150000), ("2", "GB/T", 60, 140000), ("3", "Type2", 7.4, 40000)),
        opens="06:00",
        closes="22:00",
    ),
    DemoStation(
        *(_BLUE, "Vila Madalena", "Rua Harmonia 210, São Paulo", -23.5535, -46.6910, "America/Sao_Paulo", "BRL"),
        _row(("1A", "CCS", 120, 9900), ("1B", "CCS", 120, 9900), ("2", "Type2", 22, 4500)),
    ),
    DemoStation(
        *(_BLUE, "Shibuya Rooftop", "Udagawachō 15, Tokyo", 35.6620, 139.6983, "Asia/Tokyo", "JPY"),
        _row(("1", "CHAdeMO", 90, 2400), ("2", "CHAdeMO", 90, 2400), ("3", "NACS", 150, 3200), ("4", "J1772", 6, 500)),
    ),
    DemoStation(
        *(_BLUE, "Barangaroo Quay", "Hickson Road 23, Sydney", -33.8615, 151.2014, "Australia/Sydney", "AUD"),
        _row(("A", "CCS", 175, 4400), ("B", "CCS", 175, 4400), ("C", "Type2", 22, 1500)),
    ),
    DemoStation(
        *(_NORDLICHT, "Harpa Kai", "Austurbakki 2, Reykjavík", 64.1503, -21.9326, "Atlantic/Reykjavik", "ISK"),
        _THREE[:2] + _row(("2", "Type2", 22, 1900)),
    ),
    DemoStation(
        *(_NORDLICHT, "Spree Tor", "Holzmarktstraße 25, 10243 Berlin", 52.5120, 13.4260, "Europe/Berlin", "EUR"),
        _THREE,
    ),
    DemoStation(
        *(_BLUE, "Westlands Hub", "Mpaka Road 9, Nairobi", -1.2640, 36.8037, "Africa/Nairobi", "KES"),
        _row(("1", "CCS", 60, 180000), ("2", "Type2", 22, 70000)),
    ),
    DemoStation(
        *(_NORDLICHT, "Granville Shed", "Cartwright Street 1502, Vancouver", 49.2713, -123.1340, "America/Vancouver"),
        "CAD",
        _row(("1", "NACS", 250, 4600), ("2", "CCS", 100, 3100), ("3", "J1772", 7, 700)),
    ),
    DemoStation(
        *(_BLUE, "Lambton Lane", "Featherston Street 88, Wellington", -41.2823, 174.7762, "Pacific/Auckland", "NZD"),
        _row(("1", "CCS", 75, 2600), ("2", "CHAdeMO", 50, 2100), ("3", "Type2", 22, 1200)),
    ),
)

_NAMES = (
    *("Mira Novak", "Otto Brandt", "Inês Duarte", "Tomás Pereira", "Maya Cohen", "Darnell Reed", "Asha Gurung"),
    *("Bikram Thapa", "Luiza Prado", "Caio Ferraz", "Yuki Tanaka", "Ren Kobayashi", "Ella Whitlam", "Jack Nguyen"),
    *("Sigrún Jónsdóttir", "Einar Halldórsson", "Lena Vogt", "Emre Şahin", "Wanjiru Mwangi", "Brian Otieno"),
    *("Chloé Tremblay", "Priya Sandhu", "Aroha Ngata", "Liam Fraser", "Zofia Kaczmarek", "Marek Svoboda"),
    *("Fatima El Amrani", "Youssef Haddad", "Ingrid Solberg", "Nikos Pappas", "Giulia Conti", "Aleksandra Ilić"),
    *("Sanjay Rao", "Mei-Ling Chou", "Ahmed Farouk", "Beatriz Ramos", "Oskar Lindqvist", "Hana Kimura"),
    *("Rasmus Juul", "Thandiwe Dube"),
)


def _driver(number: int, name: str) -> DemoDriver:
    plain = unicodedata.normalize("NFKD", name.split()[0].lower())
    local = "".join(letter for letter in plain if letter.isascii() and letter.isalpha())
    return DemoDriver(f"demo-{number:02}", name, f"{local}.{number:02}@example.org", f"+1500555{number:04}")


DRIVERS: tuple[DemoDriver, ...] = tuple(_driver(number, name) for number, name in enumerate(_NAMES, start=1))

VISITOR = DemoDriver("you", "You (demo driver)", "you@example.org", "+15005550099")
"""Whose token `up` prints."""
