"""Posters: what is printed is what a phone reads, in every language, however long the names are."""

import io
from datetime import UTC, datetime

import pypdfium2
import pytest
import zxingcpp
from PIL import Image, ImageDraw

from slotwatch.locale.catalogues import LANGUAGES
from slotwatch.web.posters.pdf import can_write, sheets_pdf
from slotwatch.web.posters.poster import HEIGHT, WIDTH, Code, Poster, Words, shapes_of
from slotwatch.web.posters.sheet import PosterSize, sheets_of
from slotwatch.web.posters.svg import sheet_svg
from slotwatch.web.posters.words import WORDS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
URL = "https://slots.example.org/c/CN-{}"


def poster(number: int = 1, *, language: str = "de", station: str = "Prater", label: str = "2A") -> Poster:
    return Poster(
        station=station,
        address="Hauptallee 1, 1020 Wien",
        label=label,
        connector_ref=f"CN-{number}",
        code_url=URL.format(number),
        language=language,
    )


def read_codes(picture: Image.Image) -> list[str]:
    return sorted(found.text for found in zxingcpp.read_barcodes(picture))


@pytest.mark.parametrize(("size", "pages", "on_first"), [("a6", 2, 4), ("a5", 3, 2), ("a4", 5, 1)])
def test_every_code_on_the_pdf_can_be_read(size: str, pages: int, on_first: int) -> None:
    sheets = sheets_of([poster(number) for number in range(1, 6)], PosterSize(size))
    document = pypdfium2.PdfDocument(sheets_pdf(sheets, title="Codes of Prater", made_at=NOON))
    assert len(document) == len(sheets) == pages
    read = [read_codes(page.render(scale=2).to_pil()) for page in document]
    assert len(read[0]) == on_first
    assert sorted(text for page in read for text in page) == [URL.format(number) for number in range(1, 6)]
    width, height = document[0].get_size()
    assert sorted((round(width), round(height))) == [595, 842], "A4"


def test_the_code_of_the_svg_can_be_read_and_survives_a_scratch() -> None:
    (code,) = [shape for shape in shapes_of(poster(7)) if isinstance(shape, Code)]
    picture = Image.new("L", (int(WIDTH * 8), int(HEIGHT * 8)), 255)
    draw = ImageDraw.Draw(picture)
    for x, y, width, height in code.runs():
        draw.rectangle((x * 8, y * 8, (x + width) * 8 - 1, (y + height) * 8 - 1), fill=0)
    draw.line((code.x * 8, (code.y + 40) * 8, (code.x + 50) * 8, (code.y + 34) * 8), fill=255, width=12)
    assert read_codes(picture) == [URL.format(7)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_its_words_and_nothing_sticks_out(language: str) -> None:
    assert all((WORDS[language].headline, *WORDS[language].steps, WORDS[language].connector))
    for shape in shapes_of(
        poster(language=language, station="Nordwestbahnhof Parkdeck 3 " * 5, label="Ladeplatz Nord 2")
    ):
        if isinstance(shape, Words):
            assert len(shape.text) * shape.size * 0.5 <= WIDTH - 10, shape
            assert 0 < shape.y < HEIGHT


def test_names_cannot_break_out_of_the_svg() -> None:
    hostile = '"><script>alert(1)</script>&'
    drawn = sheet_svg(sheets_of([poster(station=hostile, label="<b>")], PosterSize.A4)[0], hostile)
    assert "<script" not in drawn and "<b>" not in drawn and "&lt;b&gt;" in drawn
    assert "style=" not in drawn, "our pages forbid it"


def test_the_pdf_says_which_letters_it_has_not() -> None:
    assert can_write("Straße „Süd“ à l'été …")
    assert not can_write("काठमाडौं") and not can_write("Łódź") and not can_write("محطة")


def test_the_same_posters_make_the_same_pdf() -> None:
    sheets = sheets_of([poster()], PosterSize.A6)
    first, second = (sheets_pdf(sheets, title="x", made_at=NOON) for _ in range(2))
    assert first == second and io.BytesIO(first).read(5) == b"%PDF-"
