"""The endpoints: answers, limits, clear errors, headers, and files of their own."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from xml.etree import ElementTree

import httpx
import pytest

import recnn
from recnn.serve import app as application
from recnn.serve.app import Limits, make_app
from tests.serving import serving

DUCK = {"sentence": "The boy saw her duck", "parser": "duck"}
PAGE = files("recnn") / "serve" / "page"


@pytest.fixture(scope="module")
def client(address):
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


def test_the_page_opens_with_a_sentence_of_the_bundled_grammar(client):
    choices = client.get("/api/choices").json()
    first = choices["examples"][0]
    assert first["sentence"] == DUCK["sentence"]
    assert [model["name"] for model in choices["models"]] == ["sentiment-tree", "sentiment-sequence"]
    for example in choices["examples"]:
        assert client.post("/api/analyse", json=example).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/reference", "/page/page.js", "/colours.css", "/api/choices", "/openapi.json", "/no"]
)
def test_every_answer_has_security_headers(client, path):
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[kind] for kind in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_page_names_no_other_host_and_has_no_inline_code():
    for file in PAGE.iterdir():
        text = file.read_text("utf-8")
        assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}, file.name
        if file.name.endswith(".html"):
            assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=", text), file.name


def test_the_colours_of_both_themes_are_in_the_style_sheet(client):
    css = client.get("/colours.css").text
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    for theme, text in (("light", light), ("dark", dark)):
        for name, colours in recnn.draw.colours.palette(theme).items():
            for attribute, colour in colours.items():
                assert re.search(rf"\.figure \.{name}{{[^}}]*{attribute}:{colour}", text), (theme, name)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 422, "sentence: Field required"),
        ({"sentence": 3}, 422, "sentence: Input should be a valid string"),
        ({"sentence": ""}, 422, "sentence '': no words"),
        ({"sentence": " \t "}, 422, "sentence ' \\t ': no words"),
        ({"sentence": "cats bark", "parser": "duck"}, 422, "sentence 'cats bark': the grammar has no word 'cats'"),
        ({"sentence": "a", "parser": "/etc/passwd"}, 422, "no parser '/etc/passwd', expected one of duck, telescope"),
        ({"sentence": "a", "parser": "S -> 'a'"}, 422, "no parser \"S -> 'a'\", expected"),
        ({"sentence": "a", "models": ["../x"]}, 422, "no model '../x', expected one of sentiment-tree"),
        ({"sentence": "a", "models": ["x"] * 5}, 422, "models: List should have at most 4 items"),
        ({"sentence": "a", "colours": "red"}, 422, "colours: Input should be 'prediction' or 'norm'"),
        ({"sentence": "a", "width": 10**9}, 422, "width: Input should be less than or equal to 4000"),
        ({"sentence": "a", "more": 1}, 422, "more: Extra inputs are not permitted"),
        ({"sentence": "word " * 10_000}, 413, "a sentence of 10,000 words: at most 100 are taken here"),
        ({"sentence": "a," * 1_000}, 413, "a sentence of 2,000 words: at most 100 are taken here"),
        ({"sentence": "x" * 5_000}, 413, "a sentence of 5,000 characters: at most 4,000 are taken here"),
        ({"sentence": "x" * 10_000_000}, 413, "the request has more than 131,072 bytes"),
        ([], 422, "Input should be a valid dictionary"),
    ],
)
def test_wrong_input_is_one_clear_line(client, body, status, error):
    found = client.post("/api/analyse", json=body)
    assert found.status_code == status
    assert list(found.json()) == ["error"]
    assert found.json()["error"].startswith(error)
    assert "\n" not in found.json()["error"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_bodies_that_are_no_json_are_errors(client, content):
    found = client.post("/api/analyse", content=content, headers={"content-type": "application/json"})
    assert found.status_code in (400, 422)
    assert list(found.json()) == ["error"]


@pytest.mark.parametrize("name", ["sentence", "parser", "models", "\ud800"], ids=ascii)
def test_halves_of_characters_are_errors(client, name):
    content = json.dumps({"sentence": "a", name: ["\ud800"] if name == "models" else "a \ud800"})
    found = client.post("/api/analyse", content=content, headers={"content-type": "application/json"})
    assert (found.status_code, list(found.json())) == (422, ["error"])


@pytest.mark.parametrize(
    "word", ["<script>alert(1)</script>", "\"'&<b>", "a\x1b[31m\x00", "𝔞\u202e\ufffe", "]]>", "💥" * 90]
)
def test_words_are_text_wherever_they_come(client, word):
    found = client.post("/api/analyse", json={"sentence": f"the {word} film", "parser": "english"}).json()
    for figure in (figure for model in found["models"] for figure in model["figures"]):
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(figure["svg"]).iter()}
        assert tags <= {"svg", "g", "rect", "path", "text", "title", "circle"}
    assert "film" in found["words"]


def test_other_hosts_are_refused(catalogue):
    with serving(make_app(catalogue, hosts=("localhost", "[::1]"))) as address:
        for host in ("localhost", "localhost:8000", "[::1]", "[::1]:8000"):
            assert httpx.get(f"{address}/api/choices", headers={"host": host}).status_code == 200
        for host, shown in (("evil.example:80", "evil.example"), ("localhost.x", "localhost.x"), ("[::2]:1", "[::2]")):
            found = httpx.get(f"{address}/api/choices", headers={"host": host})
            error = f"no page for the host {shown!r}: use one of localhost, [::1]"
            assert (found.status_code, found.json()) == (400, {"error": error})
            assert found.headers["x-frame-options"] == "DENY"


def test_limits_on_time_and_requests(catalogue):
    late, busy = Limits(timeout=1e-6), Limits(max_requests=0)
    for limits, error in ((late, "no answer within 1e-06 seconds"), (busy, "too many requests at once")):
        with serving(make_app(catalogue, limits)) as address:
            found = httpx.post(f"{address}/api/analyse", json=DUCK)
            assert found.status_code == 503
            assert found.json()["error"].startswith(error)
            assert int(found.headers["retry-after"]) > 0


def test_a_failure_of_the_server_is_one_line(catalogue, monkeypatch):
    def fails(catalogue, questions):
        raise ArithmeticError("secret")

    monkeypatch.setattr(application, "answer_all", fails)
    with serving(make_app(catalogue)) as address:
        found = httpx.post(f"{address}/api/analyse", json=DUCK)
    error = "the server has failed on this request; its log says why"
    assert (found.status_code, found.json()) == (500, {"error": error})


def test_all_endpoints_are_in_the_reference(client):
    api = client.get("/openapi.json").json()
    assert set(api["paths"]) == {"/api/choices", "/api/analyse"}
    named = set(re.findall(r'#/components/schemas/(\w+)"', client.get("/openapi.json").text))
    assert named <= set(api["components"]["schemas"])
    assert client.get("/docs").status_code == 404


def test_a_hundred_requests_of_eight_clients(address, catalogue):
    """None is lost, and each has its own answer."""
    words = ["film", "story", "plot", "script", "cast", "music", "ending", "crowd"]
    sentences = [f"the {one} is not very {two}" for one in words for two in ["dull", "good", "funny", "bad", "weak"]]
    sentences = (sentences * 3)[:100]
    clients = [httpx.Client(base_url=address, timeout=30) for _ in range(8)]

    def ask(number):
        question = {"sentence": sentences[number], "parser": "english" if number % 2 else "right"}
        return clients[number % 8].post("/api/analyse", json=question)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(100)))
    for client in clients:
        client.close()
    assert [one.status_code for one in found] == [200] * 100
    assert [" ".join(one.json()["words"]) for one in found] == sentences


def test_a_large_body_over_the_network_is_answered(address):
    def parts():
        for _ in range(100):
            yield b"x" * 100_000

    for content in (b"x" * 10_000_000, parts()):
        found = httpx.post(f"{address}/api/analyse", content=content, timeout=30)
        assert (found.status_code, found.json()["error"]) == (413, "the request has more than 131,072 bytes")
