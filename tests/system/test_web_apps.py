"""Real web applications in a sandbox, seen through their preview URLs by a real browser."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser import chromium
from tests.system.stack import Stack, wait_for

PATIENCE_MS = 60_000
FLASK, VITE = 5000, 5173
DOWNLOAD_MB = 500

APP = textwrap.dedent(
    '''
    import hashlib, time
    from flask import Flask, Response, request, redirect

    app = Flask(__name__)
    notes = []
    BLOCK = bytes(range(256)) * 4096  # 1 MiB

    @app.get("/")
    def index():
        items = "".join(f"<li>{note}</li>" for note in notes)
        return f"""<!doctype html><title>Notes</title><h1>Notes</h1><ul id=notes>{items}</ul>
            <form method=post action=/notes><input name=note><button>Add</button></form>
            <p id=ticks></p>
            <script>new EventSource("/ticks").onmessage = e => {{ ticks.textContent += e.data + " "; }}</script>
            <a href=/download download>Download</a>"""

    @app.post("/notes")
    def add():
        notes.append(request.form["note"])
        return redirect("/")

    @app.get("/ticks")
    def ticks():
        def stream():
            for number in range(1, 4):
                yield f"data: {number}\\n\\n"
                time.sleep(0.3)
            time.sleep(3600)
        return Response(stream(), mimetype="text/event-stream")

    @app.get("/download")
    def download():
        size = int(request.args.get("mb", "500"))
        return Response((BLOCK for _ in range(size)), mimetype="application/octet-stream",
            headers={"Content-Disposition": "attachment; filename=big.bin"})

    @app.post("/digest")
    def digest():
        sum = hashlib.sha256()
        while chunk := request.stream.read(1 << 20):
            sum.update(chunk)
        return sum.hexdigest()

    @app.get("/headers")
    def headers():
        return dict(request.headers)

    app.run("127.0.0.1", 5000, threaded=True)
'''
)


@pytest.fixture(scope="module")
def sandbox(stack: Stack) -> Iterator[str]:
    id = stack.create(memoryMB=2048)
    yield id
    stack.kill(id)


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with chromium() as browser:
        context = browser.new_context(accept_downloads=True)
        context.set_default_timeout(PATIENCE_MS)
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


def preview(stack: Stack, sandbox: str, port: int) -> str:
    ran = stack.oc("preview", "create", sandbox, "--port", str(port), "--json")
    assert ran.code == 0, ran.err
    url: str = ran.json()["url"]
    assert url == f"http://{sandbox}-p{port}.localhost:{stack.port}"
    return url


def put(stack: Stack, sandbox: str, path: str, text: str) -> None:
    with stack.api() as api:
        assert api.put(f"/sandboxes/{sandbox}/files", params={"path": path}, content=text).status_code == 204


def serve(stack: Stack, sandbox: str, *argv: str, cwd: str) -> None:
    ran = stack.oc("exec", sandbox, "--detach", "--cwd", cwd, "--", *argv)
    assert ran.code == 0, ran.err


def answers(stack: Stack, sandbox: str, port: int, path: str = "/") -> None:
    """A client that resolves no *.localhost says the host itself."""
    host = f"{sandbox}-p{port}.localhost:{stack.port}"

    def is_there() -> bool:
        return httpx.get(f"{stack.url}{path}", headers={"Host": host}, timeout=60).status_code == 200

    wait_for(is_there, f"an answer at {host}")


@pytest.fixture(scope="module")
def flask(stack: Stack, sandbox: str) -> str:
    assert (ran := stack.sh(sandbox, "pip install -q flask", 300)).code == 0, ran.err
    put(stack, sandbox, "/srv/notes/app.py", APP)
    serve(stack, sandbox, "python3", "app.py", cwd="/srv/notes")
    answers(stack, sandbox, FLASK)
    return preview(stack, sandbox, FLASK)


@pytest.fixture(scope="module")
def vite(stack: Stack, sandbox: str) -> str:
    put(stack, sandbox, "/srv/site/package.json", '{"name": "site", "private": true, "type": "module"}')
    assert (ran := stack.sh(sandbox, "cd /srv/site && npm install --no-audit --no-fund vite@6", 300)).code == 0, ran.err
    put(
        stack,
        sandbox,
        "/srv/site/index.html",
        "<!doctype html><h1 id=shown></h1><script type=module src=/main.js></script>",
    )
    put(stack, sandbox, "/srv/site/main.js", script("first"))
    serve(stack, sandbox, "npx", "vite", "--port", str(VITE), "--strictPort", cwd="/srv/site")
    answers(stack, sandbox, VITE)
    return preview(stack, sandbox, VITE)


def script(word: str) -> str:
    return f'export const word = "{word}";\nshown.textContent = word;\nimport.meta.hot.accept();\n'


def test_a_form_is_posted(page: Page, flask: str) -> None:
    page.goto(flask)
    page.locator("input[name=note]").fill("buy <milk> & ünïcode")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#notes li")).to_have_count(1)
    expect(page.locator("#notes")).to_contain_text("& ünïcode")
    assert page.url == f"{flask}/"


def test_server_sent_events_arrive_one_by_one(page: Page, flask: str) -> None:
    """The stream never ends: what is shown has been passed on while the answer was still under way."""
    page.goto(flask)
    expect(page.locator("#ticks")).to_have_text("1 2 3", timeout=PATIENCE_MS)


def test_a_large_download_is_right(page: Page, flask: str, tmp_path: Path) -> None:
    page.goto(flask)
    with page.expect_download(timeout=300_000) as waiting:
        page.get_by_role("link", name="Download").click()
    target = tmp_path / "big.bin"
    waiting.value.save_as(target)
    block = bytes(range(256)) * 4096
    wanted = hashlib.sha256()
    for _ in range(DOWNLOAD_MB):
        wanted.update(block)
    with target.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == wanted.hexdigest()
    target.unlink()


def test_a_large_upload_is_right(stack: Stack, sandbox: str, flask: str) -> None:
    block = bytes(range(256)) * 4096
    wanted = hashlib.sha256()
    for _ in range(200):
        wanted.update(block)
    host = flask.removeprefix("http://")
    answer = httpx.post(f"{stack.url}/digest", headers={"Host": host}, content=(block for _ in range(200)), timeout=300)
    assert answer.text == wanted.hexdigest()


def test_the_application_knows_where_it_is_seen(stack: Stack, flask: str) -> None:
    host = flask.removeprefix("http://")
    seen = httpx.get(f"{stack.url}/headers", headers={"Host": host, "Connection": "close, x-hop", "X-Hop": "1"}).json()
    assert seen["Host"] == host
    assert seen["X-Forwarded-Host"] == host
    assert seen["X-Forwarded-Proto"] == "http"
    assert seen["X-Forwarded-For"] == "127.0.0.1"
    assert "X-Hop" not in seen


def test_a_change_is_shown_without_a_reload(stack: Stack, sandbox: str, page: Page, vite: str) -> None:
    """Vite's dev server tells the page over its WebSocket."""
    page.goto(vite)
    expect(page.locator("#shown")).to_have_text("first", timeout=PATIENCE_MS)
    page.evaluate("window.mark = 1")
    put(stack, sandbox, "/srv/site/main.js", script("second"))
    expect(page.locator("#shown")).to_have_text("second", timeout=PATIENCE_MS)
    assert page.evaluate("window.mark") == 1, "the page was loaded again"


def test_a_page_reloads_when_it_must(stack: Stack, sandbox: str, page: Page, vite: str) -> None:
    page.goto(vite)
    expect(page.locator("#shown")).to_be_visible(timeout=PATIENCE_MS)
    html = "<!doctype html><title>Third</title><h1 id=shown></h1><script type=module src=/main.js></script>"
    put(stack, sandbox, "/srv/site/index.html", html)
    expect(page).to_have_title("Third", timeout=PATIENCE_MS)


def test_a_sleeping_sandbox_answers_its_first_visitor(stack: Stack, sandbox: str, page: Page, flask: str) -> None:
    page.goto(flask)
    with stack.api() as api:
        assert api.post(f"/sandboxes/{sandbox}/hibernate").status_code == 200
        page.goto(flask)
        expect(page.get_by_role("heading", name="Notes")).to_be_visible()
        assert api.get(f"/sandboxes/{sandbox}").json()["status"] == "running"
