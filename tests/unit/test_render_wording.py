"""An operator's own wording: the most special file wins, and a fault is found at start, with file and line."""

import re
from pathlib import Path

import pytest

from slotwatch.domain.notices import Channel, NoticeKind
from slotwatch.locale.catalogues import LANGUAGES
from slotwatch.outbox.render import Renderer
from slotwatch.outbox.samples import sample, samples
from slotwatch.outbox.template_check import TemplateFault
from slotwatch.outbox.template_settings import TemplateSettings
from slotwatch.outbox.values import VALUES
from slotwatch.outbox.wording import BUILT_IN, Part

FRONTEND = "https://charge.example"


def put(folder: Path, **files: str) -> Renderer:
    """Files by name, with `__` for a slash and `_` before the ending kept as it is."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Renderer(TemplateSettings(templates_dir=str(folder)))


def sms(renderer: Renderer, language: str = "en", **facts: object) -> str:
    return renderer.message(sample(NoticeKind.SLOT_STARTED, language, Channel.SMS, **facts), FRONTEND).text


def test_the_most_special_file_wins(tmp_path: Path) -> None:
    renderer = put(
        tmp_path,
        **{
            "slot_started__sms.txt": "all {{ station }}",
            "slot_started__sms.de.txt": "alle deutsch {{ station }}",
            "VN-3__slot_started__sms.txt": "three {{ station }}",
            "VN-3__slot_started__sms.fr.txt": "trois {{ station }}",
        },
    )
    assert sms(renderer, vendor_id=1).startswith("all ")
    assert sms(renderer, "de", vendor_id=1).startswith("alle deutsch ")
    assert sms(renderer, vendor_id=3).startswith("three ")
    assert sms(renderer, "fr", vendor_id=3).startswith("trois ")
    assert sms(renderer, "de", vendor_id=3).startswith("three "), "a vendor's own wording goes before everybody's"
    assert sms(renderer, vendor_id=None).startswith("all ")


def test_a_layout_of_ones_own_changes_every_mail_of_that_vendor_only(tmp_path: Path) -> None:
    layout = (BUILT_IN / "layout.mjml").read_text(encoding="utf-8").replace("#edf2f0", "#ffeecc")
    renderer = put(tmp_path, **{"VN-3__layout.mjml": layout})
    for delivery in samples():
        assert "#ffeecc" in (renderer.message(delivery, FRONTEND).html or "")
    other = sample(NoticeKind.REMINDER, vendor_id=4)
    assert "#ffeecc" not in (renderer.message(other, FRONTEND).html or "")


def test_values_in_ones_own_mail_are_escaped(tmp_path: Path) -> None:
    renderer = put(tmp_path, **{"slot_started__body.mjml": MAIL.format("<mj-text>{{ station }}</mj-text>")})
    html = renderer.message(sample(NoticeKind.SLOT_STARTED, station_name="<i>"), FRONTEND).html or ""
    assert "&lt;i&gt;" in html and "<i>" not in html


MAIL = "<mjml><mj-body>\n<mj-section><mj-column>\n{}\n</mj-column></mj-section></mj-body></mjml>"


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("slot_started/sms.txt", "one\n{{ station", 2, "unexpected end of template"),
        ("slot_started/sms.txt", "one\n\n{{ stationn }}", 3, "stationn is not one of the values"),
        ("slot_started/sms.txt", "{% if money %}\nno end", 1, "end of template"),
        ("slot_started/sms.txt", "\n{{ station|shout }}", 2, "No filter named 'shout'"),
        ("slot_started/sms.txt", "{{ station.__class__ }}", 1, "has no parts"),
        ("slot_started/sms.txt", "{{ station['x'] }}", 1, "has no parts"),
        ("slot_started/sms.txt", "\n{{ range(9) }}", 2, "range is not one of the values"),
        ("slot_started/sms.txt", "{{ self._TemplateReference__context }}", 1, "self is not one of"),
        ("slot_started/sms.txt", "{% include 'layout.txt' %}", 1, "write extends, include and import in [% … %]"),
        ("slot_started/sms.txt", "a\n[% extends 'nowhere.txt' %]", 2, "nowhere.txt"),
        ("slot_started/sms.txt", "a\n[[ colour ]]", 2, "'colour' is undefined"),
        ("slot_started/sms.txt", "a\n[% block %]", 2, "expected token"),
        ("slot_started/sms.txt", "{{ happened + 1 }}", 1, "can only concatenate"),
        ("slot_started/body.mjml", MAIL.format("<mj-txt>a</mj-txt>"), 3, "<mj-txt> is not an element"),
        ("slot_started/body.mjml", MAIL.format("<mj-text>a"), 4, "</mj-column> closes nothing, <mj-text> of line 3"),
        ("slot_started/body.mjml", MAIL.format("<mj-text>{% if 1 < 2 %}a{% endif %}</mj-text>"), 3, "turn it round"),
        ("slot_started/sms.txt", "a\n{{ '' if money else 1 / 0 }}", 2, "division by zero"),
        ("slot_started/sms.txt", "a\n{{ '' if check_in_link else 1 / 0 }}", 2, "division by zero"),
        ("booking_confirmed/sms.txt", "a\n{{ '' if refunds else 1 / 0 }}", 2, "division by zero"),
        ("slot_started/sms.txt", "\n", 0, "leaves nothing to say in slot_started"),
        (
            "slot_started/subject.txt",
            "{% if money %}{{ money }}{% endif %}",
            0,
            "leaves nothing to say in slot_started",
        ),
        ("slot_startd/sms.txt", "x", 0, "takes the place of nothing"),
        ("slot_started/sms.xx.txt", "x", 0, "takes the place of nothing"),
        ("VN-3/VN-4/slot_started/sms.txt", "x", 0, "takes the place of nothing"),
    ],
)
def test_a_fault_is_found_at_start_with_file_and_line(
    tmp_path: Path, name: str, text: str, line: int, words: str
) -> None:
    with pytest.raises(TemplateFault) as raised:
        put(tmp_path, **{name.replace("/", "__"): text})
    fault = raised.value.faults[0]
    assert (fault.file, fault.line) == (name, line), str(fault)
    assert words in fault.text
    assert str(fault) in raised.value.message


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(TemplateFault) as raised:
        put(tmp_path, **{"reminder__sms.txt": "{{ a }}\n{{ b }}", "slot_started__sms.txt": "{{ c }}"})
    assert [(fault.file, fault.line) for fault in raised.value.faults] == [
        ("reminder/sms.txt", 1),
        ("reminder/sms.txt", 2),
        ("slot_started/sms.txt", 1),
    ]


def test_a_file_that_is_not_utf_8_and_a_folder_that_is_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "reminder").mkdir()
    (tmp_path / "reminder" / "sms.txt").write_bytes(b"ok\nf\xfcr")
    with pytest.raises(TemplateFault, match=r"reminder/sms.txt, line 2: is not UTF-8"):
        put(tmp_path)
    with pytest.raises(TemplateFault, match="is not a folder"):
        Renderer(TemplateSettings(templates_dir=str(tmp_path / "nowhere")))


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    renderer = put(tmp_path, **{"README.md": "{{ what }}", ".git__x.txt": "{{ what }}"})
    assert sms(renderer).startswith("Your slot at")


def test_every_kind_has_its_whole_file_set_and_nothing_lies_about() -> None:
    wanted = {f"{kind}/{part}" for kind in NoticeKind for part in Part}
    shared = {"layout.mjml", "layout.txt", "station.mjml", "countdown.mjml", "rule.mjml", "rule.txt", "heading.mjml"}
    shared |= {"letter.mjml", "letter.txt"}
    found = {path.relative_to(BUILT_IN).as_posix() for path in BUILT_IN.rglob("*") if path.is_file()}
    assert found == wanted | shared | {"README.md"}


def test_the_list_of_values_in_the_readme_is_the_list() -> None:
    readme = (BUILT_IN / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", readme, re.MULTILINE)
    assert rows == [(name, make.__doc__) for name, make in VALUES.items()]


def test_a_message_is_rendered_in_every_language_from_files_that_were_read_once(tmp_path: Path) -> None:
    renderer = put(tmp_path, **{"slot_started__sms.txt": "own {{ station }}"})
    (tmp_path / "slot_started" / "sms.txt").unlink()
    assert all(sms(renderer, code).startswith("own ") for code in LANGUAGES)
