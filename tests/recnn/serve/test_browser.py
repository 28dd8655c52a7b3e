"""The page in a browser: Debian's chromium, driven by Playwright. Skipped where there is no chromium.

RECNN_AXE names the file axe.min.js of the npm package axe-core; the page is then checked for accessibility as well.
"""

import os
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
FILM = "The plot is not very funny, but the cast is superb."


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """A page whose requests and errors are kept; afterwards there must be no error, and no request to elsewhere."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.requests, page.errors = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.goto(address)
    expect(page.locator("#result")).to_be_visible()
    yield page
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith(f"{address}/")] == []
    context.close()


def trees(page):
    return page.locator("svg[role=tree]")


def node(page, text, picture=0):
    """The tree item of a phrase."""
    name = re.compile(rf"^([A-Z]\w* )?{text}:")
    return trees(page).nth(picture).get_by_role("treeitem", name=name).first


def test_it_opens_with_two_readings_and_both_models(page):
    expect(page.get_by_label("Sentence")).to_have_value("The boy saw her duck")
    expect(trees(page)).to_have_count(3)
    labels = [tree.get_attribute("aria-label") for tree in trees(page).all()]
    assert [label.partition(",")[0] for label in labels[:2]] == ["Reading 1", "Reading 2"]
    assert "The boy saw her duck" in labels[2]
    assert trees(page).nth(1).locator("text", has_text="SC").count() == 1


def test_type_choose_and_share(page, browser):
    page.get_by_label("Parser").select_option("english")
    page.get_by_label("Sentence").fill(FILM)
    page.get_by_label("Colours").select_option("prediction")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#status")).to_have_text("1 reading by the parser english")
    expect(page.locator("figcaption").first).to_contain_text("Prediction: very positive")
    blue = "step[678]"
    assert re.search(blue, node(page, "superb").locator("rect").get_attribute("class"))
    assert re.search("step[0123]", node(page, "not very funny").locator("circle, rect").first.get_attribute("class"))
    shared = page.url
    page.go_back()
    expect(page.get_by_label("Colours")).to_have_value("norm")
    page.goto(shared)
    expect(page.get_by_label("Sentence")).to_have_value(FILM)
    expect(page.get_by_label("Parser")).to_have_value("english")
    expect(trees(page)).to_have_count(2)


def test_the_tree_is_in_the_colours_of_the_theme(page):
    colour = "element => getComputedStyle(element).fill"
    word = trees(page).first.locator("text.word").first
    page.emulate_media(color_scheme="light")
    assert word.evaluate(colour) == "rgb(31, 35, 40)"
    page.emulate_media(color_scheme="dark")
    assert word.evaluate(colour) == "rgb(230, 237, 243)"


def test_the_pointer_shows_a_phrase(page):
    tip = page.locator("#tip")
    expect(tip).to_be_hidden()
    node(page, "her duck", 1).hover()
    expect(tip).to_be_visible()
    expect(tip).to_contain_text(re.compile(r"^SC her duck: .+ \d+ %, step 3$"))
    page.get_by_label("Sentence").hover()
    expect(tip).to_be_hidden()


def test_a_click_shows_predictions_and_nearest_phrases(page):
    node(page, "her duck", 1).click()
    phrase = page.locator("#phrase")
    expect(phrase.locator("#phrase-words")).to_have_text("her duck in reading 2")
    assert phrase.get_by_role("table").count() == 2
    assert phrase.get_by_role("progressbar").count() == 10
    expect(phrase.locator("ol").first.locator("li")).to_have_count(5)
    expect(node(page, "her duck", 1)).to_have_attribute("aria-selected", "true")


def test_the_keyboard_walks_through_a_tree(page):
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "treeitem":
            break
    words = page.locator("#phrase-words")
    keys = {"ArrowDown": "The boy", "ArrowRight": "saw her duck", "ArrowUp": "The boy saw her duck"}
    for key, phrase in [*keys.items(), ("ArrowDown", "The boy"), ("Home", "The boy saw her duck")]:
        page.keyboard.press(key)
        expect(words).to_have_text(f"{phrase} in reading 1")


def test_the_slider_shows_states_as_they_are_computed(page):
    slider, root, word = page.get_by_role("slider"), node(page, "The boy saw her duck"), node(page, "The")
    later = re.compile("later")
    expect(root).not_to_have_class(later)
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#step-now")).to_have_text("0 of 5")
    expect(word).to_have_class(later)
    page.keyboard.press("ArrowRight")
    expect(word).not_to_have_class(later)
    expect(root).to_have_class(later)
    expect(page.locator(".later")).not_to_have_count(0)
    page.keyboard.press("End")
    expect(page.locator(".later")).to_have_count(0)
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#step-now")).to_have_text("0 of 5")
    expect(page.locator("#step-now")).to_have_text("5 of 5", timeout=10_000)


def test_the_table_has_all_phrases_of_both_models(page):
    page.get_by_text("All phrases as a table").click()
    table = page.locator("#table table")
    expect(table.locator("tr", has_text="her duck").first).to_be_visible()
    assert table.locator("thead th").all_inner_texts() == ["Phrase", "sentiment-tree", "sentiment-sequence"]
    assert table.locator("th[scope=colgroup]").all_inner_texts() == ["Reading 1", "Reading 2"]


def test_errors_are_one_friendly_line(page):
    page.get_by_label("Sentence").fill("The cat saw her duck")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_be_visible()
    expect(alert).to_contain_text("the grammar has no word 'cat'")
    expect(page.locator("#result")).to_be_hidden()
    page.get_by_label("Sentence").fill("word " * 101)
    page.keyboard.press("Enter")
    expect(alert).to_have_text("a sentence of 101 words: at most 100 are taken here")
    page.get_by_role("link", name="The boy saw her duck").click()
    expect(alert).to_be_hidden()
    expect(trees(page)).to_have_count(3)
    # Chromium itself logs each answer that is an error.
    assert [error for error in page.errors if "status of 4" not in error] == []
    page.errors.clear()


def test_markup_in_words_is_text(page):
    page.get_by_label("Parser").select_option("right")
    page.get_by_label("Sentence").fill("a <img/src=x/onerror=alert(1)> <script>alert(2)</script> film")
    page.on("dialog", lambda dialog: page.errors.append(dialog.message))
    page.keyboard.press("Enter")
    expect(page.locator("#phrase-words")).to_contain_text("< script > alert")
    assert page.locator("main img, main script").count() == 0


def test_a_phone_shows_all_without_scrolling_sideways(page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("link", name=FILM).click()
    expect(trees(page)).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for tree in trees(page).all():
        assert tree.bounding_box()["width"] <= 360


def test_the_reference_sends_requests(page, address):
    page.goto(f"{address}/reference")
    form = page.get_by_role("form", name="POST /api/analyse")
    form.get_by_role("button").click()
    expect(page.get_by_label("Answer of POST /api/analyse")).to_contain_text('"parser": "duck"')


@pytest.mark.skipif("RECNN_AXE" not in os.environ, reason="RECNN_AXE does not name axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_has_no_findings(page, address, scheme, width):
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    code = Path(os.environ["RECNN_AXE"]).read_text("utf-8")
    page.get_by_text("All phrases as a table").click()
    findings = []
    for place in ("", "result", "error", "reference"):
        if place == "result":
            page.get_by_role("link", name=FILM).click()
            expect(trees(page)).to_have_count(2)
            node(page, "superb").click()
        elif place == "error":
            page.get_by_label("Sentence").fill("")
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert")).to_be_visible()
        elif place == "reference":
            page.goto(f"{address}/reference")
            expect(page.get_by_role("heading", name="SimilarPhrase")).to_be_visible()
        page.evaluate(code)
        result = page.evaluate("axe.run()")
        findings += [(place, one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in result["violations"]]
    page.errors.clear()  # the answer to an empty sentence
    assert findings == []
