"""The page in a real browser, from a file, as a person opens it."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from making_page import make_run

from ostinato.page.build import write_page

SIZES = {"desktop": (1280, 900), "phone": (390, 800)}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of two runs."""
    folder = tmp_path_factory.mktemp("browser")
    runs = [make_run(folder / "a", "first"), make_run(folder / "b", "other", 2, "part 1")]
    write_page(folder / "page", runs)
    return (folder / "page/index.html").as_uri()


@pytest.fixture
def open_page(chromium, address):
    """Opens the page; at the end, nothing may have gone wrong in it."""
    wrong, contexts = [], []

    def opened(size="desktop", **options):
        width, height = SIZES[size]
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
            ),
        )
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def playing(page, least):
    page.wait_for_function(f"player.playing && player.seconds > {least}")


def test_the_playhead_moves_with_the_sound(open_page):
    page = open_page()
    shelf = page.locator("#pieces")
    shelf.get_by_role("button", name="Play Piece 1").click()
    playing(page, 0.5)
    seconds, left, whole = page.evaluate(
        "[player.seconds, parseFloat(document.querySelector('#pieces .head').style.left),"
        " player.version.seconds]"
    )
    assert left / 100 * whole == pytest.approx(seconds, abs=0.15)
    shelf.get_by_role("button", name="Pause Piece 1").click()
    page.wait_for_function("!player.playing")


def test_a_click_seeks_and_a_drag_loops(open_page):
    page = open_page()
    box = page.locator("#pieces .strip").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.click(box["x"] + box["width"] / 2, middle)
    whole = page.evaluate("player.version.seconds")
    playing(page, whole / 2 - 0.1)
    page.mouse.move(box["x"] + 0.10 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.12 * box["width"], middle, steps=4)
    page.mouse.up()
    first, last = page.evaluate("player.loop")
    assert [first / whole, last / whole] == pytest.approx([0.10, 0.12], abs=0.005)
    page.wait_for_timeout(2 * 1000 * (last - first))
    assert first - 0.1 <= page.evaluate("player.seconds") <= last + 0.1


def test_versions_go_on_at_the_same_place(open_page):
    page = open_page()
    shelf = page.locator("#pieces")
    shelf.get_by_role("button", name="Play Piece 1").click()
    page.evaluate("player.seek(6)")
    playing(page, 6.2)
    shelf.get_by_role("button", name="other", exact=True).click()
    page.wait_for_function("player.index === 1 && player.playing")
    assert 6.2 <= page.evaluate("player.seconds") < 9
    assert page.evaluate("player.sounds.filter((sound) => !sound.paused).length") == 1
    shelf.get_by_role("button", name="the song").click()
    page.wait_for_function("player.version.name === 'the song' && player.seconds > 6.2")


def test_everything_can_be_done_with_keys(open_page):
    page = open_page()
    strip = page.locator("#pieces .strip")
    strip.focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    assert strip.get_attribute("aria-valuetext").startswith("bar 3, 0:04 of ")
    page.keyboard.press("l")
    assert page.evaluate("player.loop") == pytest.approx([4.8, 14.4], abs=0.05)
    page.keyboard.press("2")
    page.wait_for_function("player.index === 1")
    page.keyboard.press("Enter")
    playing(page, 4.9)
    page.locator("h2").first.click()
    page.keyboard.press("Space")
    page.wait_for_function("!player.playing")


def test_parts_can_be_hidden_and_notes_read(open_page):
    page = open_page()
    shelf = page.locator("#bands")
    notes = shelf.locator(".note")
    drums = shelf.locator(".note.drum")
    assert (notes.count(), drums.count()) == (48, 16)
    shelf.get_by_role("checkbox", name="Kit").uncheck()
    assert not drums.first.is_visible()
    assert shelf.locator(".note.part-0").first.is_visible()
    shelf.get_by_text("Notes as text").click()
    shelf.locator(".more tbody tr").nth(3).wait_for()
    assert shelf.locator(".more tbody tr").count() == 4
    assert "48 notes in 4 bars, Lead, Bass, Kit" in shelf.locator("svg.roll").get_attribute(
        "aria-label"
    )


def test_notes_that_were_given_are_told_from_new_ones(open_page):
    page = open_page()
    shelf = page.locator("#bands")
    shelf.get_by_role("button", name="other", exact=True).click()
    page.wait_for_function("document.querySelectorAll('#bands .note.heard').length === 16")
    assert shelf.locator(".note.heard.part-1").count() == 16
    assert "; 16 of them were given" in shelf.locator("svg.roll").get_attribute("aria-label")
    grey, coloured = (
        shelf.locator(which).first.evaluate("note => getComputedStyle(note).fill")
        for which in (".note.heard", ".note.part-0")
    )
    assert grey != coloured


def test_the_notes_of_a_tune_are_marked_as_they_sound(open_page):
    page = open_page()
    shelf = page.locator("#tunes")
    notes = shelf.locator("svg .abcjs-note")
    assert notes.count() == 10
    shelf.get_by_role("button", name="Play Tune 1").click()
    playing(page, 0.3)
    assert shelf.locator(".sounds").count() == 0  # the rest before the pickup
    playing(page, 2.0)
    assert "sounds" in notes.nth(0).get_attribute("class")
    shelf.locator("svg .abcjs-note").nth(6).locator("path").first.click(force=True)
    playing(page, 3)


def test_the_blind_test_counts_and_can_be_saved(open_page):
    page = open_page()
    shelf = page.locator("#blind")
    shelf.get_by_role("button", name="Begin").click()
    pairs = page.evaluate("Math.min(10, DATA.blind.length)")
    assert pairs >= 2
    for number in range(pairs):
        assert shelf.locator("h3").inner_text() == f"Pair {number + 1} of {pairs}"
        answer = shelf.get_by_role("button", name="A is the model's")
        assert answer.is_disabled()
        for name in "AB":
            shelf.get_by_role("button", name=f"▶ {name}").click()
            page.wait_for_function("player.seconds > player.version.part[0] + 1.6")
            # Nothing that is said of a window tells which one it is.
            assert page.locator("#transport .time").inner_text().endswith(" of 0:09")
        answer.click()
    assert not page.evaluate("player.playing")
    with page.expect_download() as download:
        shelf.get_by_role("link", name="Save the result as JSON").click()
    saved = json.loads(download.value.path().read_text())
    right = sum(trial["first"] == "composed" for trial in saved["trials"])
    assert (saved["right"], saved["pairs"]) == (right, pairs)
    assert f"{right} of {pairs}" in shelf.locator("h3").inner_text()
    low, high = saved["interval"]
    assert 0 <= low <= right / pairs <= high <= 1


def test_systems_can_be_sorted_and_filtered(open_page):
    page = open_page()
    shelf = page.locator("#systems")
    names = shelf.locator("tbody tr:not([hidden]) th")
    every = names.count()
    shelf.get_by_label("Show those with").fill("capsules")
    assert 0 < names.count() < every
    assert all("capsules" in name for name in names.all_inner_texts())
    shelf.get_by_label("Show those with").fill("")
    shelf.get_by_role("button", name="system", exact=True).click()
    ascending = names.all_inner_texts()
    assert shelf.locator("th[aria-sort=ascending]").count() == 1
    assert ascending[0] < ascending[-1]
    shelf.get_by_role("button", name="system", exact=True).click()
    assert shelf.locator("th[aria-sort=descending]").count() == 1
    assert names.all_inner_texts() == ascending[::-1]


def test_what_differs_between_runs_is_said(open_page):
    page = open_page()
    changed = page.locator("#figures table").first
    assert changed.locator("caption").inner_text() == "What differs in params.yaml"
    assert changed.locator("tbody").inner_text().split() == ["seed", "1", "2"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_fits_and_everybody_can_use_it(open_page, size, scheme):
    page = open_page(size, color_scheme=scheme)
    page.locator("#pieces .items button").nth(1).click()
    playing(page, 0.1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page, options={"preload": False}).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []
