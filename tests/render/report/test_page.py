"""The HTML page: one file, no network, no script, safe against hostile strings; looked at by a real browser."""
import html.parser
import re
import shutil
import subprocess

import pytest

from tests import corpus
from tests.builders import fleet, incident, packed_pair, pair
from vqcheck.check.judge import judge
from vqcheck.check.report import report
from vqcheck.render.report import page, svg

ENTRIES = corpus.synthetic()
HOSTILE = '<script>document.title="owned"</script><img src=x onerror=alert(1)>"\' &amp; \x1b[31m \u202e'
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta", "br"}


class Reader(html.parser.HTMLParser):
    """Checks that tags are balanced, and gathers what a page could load or run."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def page_of(snapshots, **options):
    return page.show(report(judge(*snapshots, **options), snapshots, [f"{one.side}.json" for one in snapshots]))


@pytest.mark.parametrize("entry", ENTRIES, ids=[one.name for one in ENTRIES])
def test_every_page_is_well_formed_and_loads_nothing(entry):
    reader = read(page_of(entry.snapshots(), explain=True))
    assert not {"script", "img", "link", "iframe", "object", "form"} & set(reader.tags)
    names = {name for name, _ in reader.attributes}
    assert not {name for name in names if name.startswith("on")} and "src" not in names and "style" not in names
    assert all(value.startswith("#") for name, value in reader.attributes if name == "href")


def test_hostile_strings_stay_text():
    guest, host = incident()
    queue = guest.devices[0].queues[0]
    requests = [one._replace(operation=HOSTILE) for one in queue.in_flight]
    device = guest.devices[0]._replace(name=HOSTILE, queues=[queue._replace(in_flight=requests)])
    guest = guest._replace(devices=[device], target=guest.target._replace(name=HOSTILE))
    text = page_of((guest, host), stuck=HOSTILE)
    reader = read(text)
    assert not {"script", "img"} & set(reader.tags)
    assert "\x1b" not in text and "\u202e" not in text and "&lt;script&gt;" in text


def test_the_ring_has_all_places_of_both_sides():
    view = judge(*incident()).queues[0].ring
    drawn = svg.ring(view, str)
    for words in ("driver: last_used_idx 43932", "used_event 43932 (interrupt)", "device: used_idx 43936",
                  "device: last_avail_idx 43936", "avail_event 43936 (kick)", "driver: avail_idx 43936", "4 returned"):
        assert words in drawn
    assert drawn.count('class="returned"') == 1 and 'class="popped"' not in drawn and svg.enlarged(view)


@pytest.mark.parametrize("sides", [
    pair(), pair(avail=128, last_used=0), pair(avail=2, last_used=65534), pair(num=32768, avail=40000, last_used=7300),
    packed_pair((3, 4, 3), returned=3), packed_pair((64,) * 4), pair(num=1, avail=1, popped=1, used=1, last_used=0)])
def test_any_ring_is_drawn_within_its_picture(sides):
    drawn = svg.ring(judge(*sides).queues[0].ring, str)
    read(drawn)
    heights = [float(y) for y in re.findall(r'<text x="[^"]*" y="([^"]*)"', drawn)]
    assert all(0 < y < svg.HEIGHT for y in heights) and "nan" not in drawn
    for x in (-1, 1):
        side = sorted(y for x0, y in ((float(a), float(b)) for a, b in re.findall(
            r'<text x="([^"]*)" y="([^"]*)" text-anchor', drawn)) if (x0 - svg.MIDDLE[0]) * x > 0)
        assert all(later - earlier >= svg.GAP - 0.2 for earlier, later in zip(side, side[1:]))


def test_a_timeline_is_as_long_as_the_oldest_request():
    queue = judge(*pair(avail=104, popped=104, used=103)).queues[0]
    drawn = svg.timeline(queue.requests)
    read(drawn)
    assert "-30.0 s" in drawn and "held" in drawn and svg.timeline([]) is None


def test_many_queues_have_an_overview_with_links():
    guest, host = fleet(3, 2)
    text = page_of((guest, host))
    assert "6 queues: 0 fault, 0 cannot-judge, 6 healthy" in text
    assert page.show_fleet([("one", report(judge(guest, host), (guest, host)))]).count("<header") == 1


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("stuck", ["fio hangs", HOSTILE])
def test_a_browser_shows_it_and_runs_nothing(tmp_path, stuck):
    where, picture = tmp_path / "report.html", tmp_path / "report.png"
    where.write_text(page_of(incident(), stuck=stuck), encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
               "--window-size=1100,1600", "--virtual-time-budget=2000"]
    dump = subprocess.run([*command, "--dump-dom", where.as_uri()], capture_output=True, text=True, timeout=120,
                          check=True)
    assert "owned" not in re.search(r"<title>(.*?)</title>", dump.stdout).group(1).replace("&quot;owned&quot;", "")
    assert "43932" in dump.stdout and "<script" not in dump.stdout
    subprocess.run([*command, f"--screenshot={picture}", where.as_uri()], capture_output=True, timeout=120, check=True)
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and picture.stat().st_size > 30_000
