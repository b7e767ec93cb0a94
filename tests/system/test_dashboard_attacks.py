"""What hostile sandboxes, and hostile pages that a signed-in person opens, try on the dashboard, in a real browser."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import chromium
from tests.system.dashboard import PATIENCE_MS, Visit, key, origin
from tests.system.stack import Stack, wait_for

expect.set_options(timeout=PATIENCE_MS)
PORT = 9000
HOSTILE = "\"'><img src=x onerror=window.__xss=1><script>window.__xss=1</script>{{7*7}}"
HOSTILE_NAME = "\"'><img src=x onerror=window.__xss=1><svg onload=window.__xss=1>.txt"  # a file's has no slash
HOSTILE_OUTPUT = (
    "\x1b]0;EVIL\x07\x1b]2;EVIL\x07\x1b]52;c;ZXZpbA==\x07\x1b]8;;javascript:window.__xss=1\x07link\x1b]8;;\x07"
    "\x1b]1337;File=inline=1:PHNjcmlwdD4=\x07\x1bP+q544e\x1b\\\x1b[21t" + HOSTILE + " shown"
)
SERVER = textwrap.dedent("""
    import http.server, json, sys

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            echo = self.path == "/echo"
            body = json.dumps(dict(self.headers)) if echo else "<!doctype html><title>Hostile</title>"
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if echo else "text/html")
            self.send_header("Content-Length", str(len(body)))
            if self.path == "/cookie":
                self.send_header("Set-Cookie", "oc_session=planted; Domain=localhost; Path=/")
                self.send_header("Set-Cookie", "planted=yes; domain=.localhost; Path=/")
            self.end_headers()
            self.wfile.write(body.encode())

    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
""")


@pytest.fixture(scope="module")
def browser(stack: Stack) -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def person(stack: Stack, browser: Browser) -> Iterator[Visit]:
    visit = Visit.begin(stack, browser)
    visit.enter()
    yield visit
    visit.context.close()


@pytest.fixture
def ada(person: Visit) -> Iterator[Visit]:
    yield person
    person.watch.check()


@dataclass
class Trap:
    """A sandbox whose every text is hostile, with a hostile web server in it."""

    stack: Stack
    key: str
    id: str
    checkpoint: str
    session: str

    @property
    def preview(self) -> str:
        return f"http://{self.id}-p{PORT}.localhost:{self.stack.port}"

    def get(self, path: str, cookie: str = "") -> httpx.Response:
        headers = {"Host": httpx.URL(self.preview).netloc.decode(), "Cookie": cookie}
        return httpx.get(f"{self.stack.url}{path}", headers=headers, timeout=60)

    def status(self) -> str:
        with self.stack.api(self.key) as api:
            return str(api.get(f"/sandboxes/{self.id}").json()["status"])


@pytest.fixture(scope="module")
def trap(person: Visit) -> Iterator[Trap]:
    stack, own = person.stack, key(person.stack)
    with stack.api(own) as api:

        def call(method: str, path: str, **words: Any) -> Any:
            answer = api.request(method, path, **words)
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None

        id = call("POST", "/sandboxes", json={"metadata": {HOSTILE[:60]: HOSTILE}})["sandboxID"]
        contents = {f"/root/{HOSTILE_NAME}": HOSTILE, "/root/hostile": HOSTILE_OUTPUT, "/srv/s.py": SERVER}
        for path, content in contents.items():
            call("PUT", f"/sandboxes/{id}/files", params={"path": path}, content=content.encode())
        call("POST", f"/sandboxes/{id}/exec", json={"cmd": "python3", "args": ["/srv/s.py", str(PORT)]})
        script = f"cat /root/hostile; sleep 3000 # {HOSTILE}"
        session = call("POST", f"/sandboxes/{id}/exec", json={"cmd": "sh", "args": ["-c", script]})["sessionID"]
        made = call("POST", f"/sandboxes/{id}/checkpoints", json={"name": HOSTILE, "kind": "disk_only"})
        patch = {"script": f"true # {HOSTILE}", "description": HOSTILE, "strategy": "on_wake"}
        checkpoint = f"/sandboxes/{id}/checkpoints/{made['id']}"
        wait_for(lambda: call("GET", f"/sandboxes/{id}/checkpoints")[0]["status"] == "ready", "the checkpoint")
        call("POST", f"/sandboxes/checkpoints/{made['id']}/patches", json=patch)
        found = Trap(stack, own, id, checkpoint, session)
        wait_for(lambda: found.get("/").status_code == 200, "the server inside")
        yield found
        call("DELETE", checkpoint)
        call("DELETE", f"/sandboxes/{id}")


# --- texts ---


def is_harmless(page: Page) -> None:
    assert page.evaluate("window.__xss") is None, page.url
    assert page.locator("[onerror], [onload], main script, img[src=x]").count() == 0, page.url


PAGES = {  # and what is on it
    "/": "onerror",
    "/?q=" + quote(HOSTILE): "onerror",
    "/sandboxes/{id}": "onerror",
    "/sandboxes/{id}/sessions": "onerror",
    "/sandboxes/{id}/sessions/{session}": "onerror",
    "/sandboxes/{id}/files?path=/root": "onerror",
    "/sandboxes/{id}/files/view?path=" + quote(f"/root/{HOSTILE_NAME}"): "onerror",
    "/sandboxes/{id}/checkpoints": "onerror",
    "{checkpoint}": "onerror",
    "/sandboxes/{id}/events": "checkpoint.created",
    "/sandboxes/{id}/previews": "Preview URLs",
    "/device?code=" + quote(HOSTILE): "no login waits",
    "/settings/account?done=" + quote(HOSTILE): "Organizations",
    "/sandboxes/" + quote(HOSTILE_NAME): "onerror",
    "/invitations/" + quote(HOSTILE_NAME): "",
}


@pytest.mark.parametrize("path", PAGES)
def test_no_text_becomes_a_script(ada: Visit, trap: Trap, path: str) -> None:
    ada.watch.expected = ("404 (Not Found)",)
    page = ada.go(path.format(id=trap.id, session=trap.session, checkpoint=trap.checkpoint))
    expect(page.locator("main")).to_contain_text(PAGES[path])
    is_harmless(page)


def test_no_text_that_comes_later_becomes_a_script(ada: Visit, trap: Trap) -> None:
    """What is put into a page that is open already."""
    page = ada.go("/")
    expect(page.locator(f"[id='{trap.id}']")).to_be_visible()
    with trap.stack.api(trap.key) as api:
        other = api.post("/sandboxes", json={"metadata": {"name": HOSTILE}}).json()["sandboxID"]
        expect(page.locator(f"[id='{other}']")).to_contain_text("onerror")
        is_harmless(page)
        page.locator("#search").fill(HOSTILE)
        expect(page.locator("#sandboxes")).to_contain_text(other)
        is_harmless(page)
        assert api.delete(f"/sandboxes/{other}").status_code == 204


def test_no_output_has_power_over_the_page(ada: Visit, trap: Trap) -> None:
    page = ada.go(f"/sandboxes/{trap.id}/terminal")
    rows, title = page.locator(".xterm-rows"), page.title()
    expect(page.locator("[data-words]")).to_have_text("Connected")
    page.evaluate("() => { navigator.clipboard.writeText = window.open = () => { window.__xss = 1; }; }")
    page.locator("[data-screen]").click()
    page.keyboard.type("cat hostile\n")
    expect(rows).to_contain_text("shown")
    middles = """(spans) => spans.map((span) => span.getBoundingClientRect()).map(({ x, y }) => [x + 4, y + 4])"""
    links = rows.locator("span[class*=underline]", has_text="link").evaluate_all(middles)
    assert links
    for x, y in links:  # which hovering draws anew
        page.mouse.click(x, y)
    is_harmless(page)
    assert page.title() == title


def test_no_name_of_a_key_or_a_person_becomes_a_script(ada: Visit) -> None:
    page = ada.go("/settings/keys")
    page.get_by_label("Name").fill(HOSTILE)
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("table")).to_contain_text("onerror")
    is_harmless(page)
    page.locator("tr", has_text="onerror").get_by_role("button").click()
    assert "onerror" in ada.asked[-1]
    expect(page.locator("table")).not_to_contain_text("onerror")
    ada.go("/settings/account")
    page.get_by_label("Name").fill(HOSTILE)
    page.get_by_role("button", name="Save name").click()
    for path in ("/settings/account", "/settings/members"):
        expect(ada.go(path).locator("header.top")).to_contain_text("onerror")
        is_harmless(page)
    ada.go("/settings/account")
    page.get_by_label("Name").fill("Ada Admin")
    page.get_by_role("button", name="Save name").click()
    expect(page.locator("header.top")).to_contain_text("Ada Admin")


# --- a preview, opened by who is signed in ---


@pytest.fixture
def hostile(ada: Visit, trap: Trap) -> Iterator[Page]:
    """A page of the trap in another tab of the same browser; its errors are its own."""
    page = ada.context.new_page()
    page.goto(f"{trap.preview}/")
    expect(page).to_have_title("Hostile")
    yield page
    page.close()


def test_preview_reads_nothing_of_the_dashboard(ada: Visit, trap: Trap, hostile: Page) -> None:
    read = """async (url) => {
        const answers = {};
        for (const credentials of ["include", "omit"]) for (const mode of ["cors", "no-cors"]) {
            try {
                const answer = await fetch(url, { credentials, mode });
                answers[`${credentials} ${mode}`] = [answer.status, await answer.text()];
            } catch (error) {
                answers[`${credentials} ${mode}`] = null;
            }
        }
        return answers;
    }"""
    token = ada.token()
    for path in ("/", "/settings/account", f"/sandboxes/{trap.id}", "/sandboxes/live"):
        answers = hostile.evaluate(read, f"{origin(ada.stack)}{path}")
        assert token not in json.dumps(answers), path
        assert answers["include cors"] is None
        assert answers["include no-cors"] in (None, [0, ""])
    answers = hostile.evaluate(read, f"{origin(ada.stack)}/app/api/sandboxes")
    assert answers["include cors"] is None
    assert answers["omit cors"][0] == 401
    assert answers["include no-cors"] in (None, [0, ""])


def test_preview_has_no_cookie_of_the_dashboard_and_plants_none(ada: Visit, trap: Trap, hostile: Page) -> None:
    before = ada.cookie()
    assert list(before) == ["oc_session"]
    hostile.evaluate("""() => {
        for (const domain of ["; Domain=localhost", "; Domain=.localhost", ""])
            for (const path of ["/", "/settings", "/sandboxes"])
                for (const name of ["oc_session", "__Host-oc_session"])
                    document.cookie = `${name}=planted; Path=${path}${domain}`;
    }""")
    hostile.goto(f"{trap.preview}/cookie")
    assert before["oc_session"] not in hostile.evaluate("document.cookie")
    seen = json.loads(hostile.evaluate("fetch('/echo').then((answer) => answer.text())"))
    assert before["oc_session"] not in json.dumps(seen)
    assert ada.cookie() == before
    expect(ada.go("/settings/account").get_by_label("E-mail")).to_have_value("admin@example.com")


def test_preview_is_not_told_the_dashboards_cookies_and_names_no_domain(ada: Visit, trap: Trap) -> None:
    """Whatever a browser does: the server takes them off, on the way in and on the way out."""
    cookie = f"oc_session={ada.cookie()['oc_session']}; its=own; __Host-oc_session=x"
    told = {name.lower(): value for name, value in trap.get("/echo", cookie).json().items()}
    assert told["cookie"] == "its=own"
    planted = trap.get("/cookie").headers.get_list("set-cookie")
    assert len(planted) == 2
    assert all("domain" not in each.lower() for each in planted), planted


def test_preview_changes_nothing(ada: Visit, trap: Trap, hostile: Page) -> None:
    keys = listed_keys(trap)
    post = """async ([url, fields]) => {
        try {
            const body = new URLSearchParams(fields);
            await fetch(url, { method: "POST", mode: "no-cors", credentials: "include", body });
        } catch { /* is as good */ }
    }"""
    submit = """([url, fields]) => {
        const form = document.createElement("form");
        form.method = "post";
        form.action = url;
        for (const [name, value] of Object.entries(fields)) {
            const field = document.createElement("input");
            field.name = name;
            field.value = value;
            form.append(field);
        }
        document.body.append(form);
        form.submit();
    }"""
    for path, fields in {
        f"/sandboxes/{trap.id}/kill": {"csrf": ""},
        f"/sandboxes/{trap.id}/hibernate": {"csrf": ""},
        "/settings/keys": {"csrf": "", "name": "planted"},
        f"/app/api/sandboxes/{trap.id}/hibernate": {},
        "/sign-in": {"email": "admin@example.com", "password": "guessed guessed"},
        "/sign-out": {"csrf": ""},
    }.items():
        hostile.goto(f"{trap.preview}/")
        hostile.evaluate(post, [f"{origin(ada.stack)}{path}", fields])
        with hostile.expect_navigation() as navigation:
            hostile.evaluate(submit, [f"{origin(ada.stack)}{path}", fields])
        assert navigation.value is not None
        first = navigation.value.request
        while first.redirected_from:
            first = first.redirected_from
        answer = first.response()
        assert answer is not None
        signed_out = answer.status == 303 and answer.headers["location"].startswith("/sign-in?next=")
        assert answer.status in {401, 403} or signed_out, (path, answer.status)
    assert (trap.status(), listed_keys(trap)) == ("running", keys)
    ada.go("/")
    ada.is_at("/")


def listed_keys(trap: Trap) -> list[str]:
    return [line.split()[0] for line in trap.stack.host("keys", "list").out.splitlines()]


def test_preview_opens_no_websocket(ada: Visit, trap: Trap, hostile: Page) -> None:
    with trap.stack.api(trap.key) as api:
        terminal = api.post(f"/sandboxes/{trap.id}/pty", json={"cols": 80, "rows": 24}).json()["sessionID"]
    attempt = """(url) => new Promise((resolve) => {
        const socket = new WebSocket(url);
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("refused");
    })"""
    host = f"ws://localhost:{ada.stack.port}"
    for path in (f"pty/{terminal}", f"exec/{trap.session}"):
        assert hostile.evaluate(attempt, f"{host}/app/api/sandboxes/{trap.id}/{path}") == "refused"
    own = ada.go("/")
    assert own.evaluate(attempt, f"{host}/app/api/sandboxes/{trap.id}/pty/{terminal}") == "open"


def test_preview_frames_nothing_and_holds_no_window(ada: Visit, trap: Trap, hostile: Page) -> None:
    for path in ("/", f"/sandboxes/{trap.id}", "/sign-in", "/device"):
        with hostile.expect_event("console", lambda message: "frame" in message.text.lower()):
            hostile.evaluate(
                "(url) => document.body.replaceChildren(Object.assign(document.createElement('iframe'), { src: url }))",
                f"{origin(ada.stack)}{path}",
            )
    assert ada.context.request.get(f"{origin(ada.stack)}/").headers["x-frame-options"] == "DENY"
    with hostile.expect_popup() as opened:
        hostile.evaluate("(url) => { window.held = window.open(url); }", f"{origin(ada.stack)}/")
    expect(opened.value.get_by_role("heading", name="Sandboxes")).to_be_visible()
    assert hostile.evaluate("window.held.closed"), "it holds the dashboard's window"
    opened.value.close()


# --- forged and stolen ---


def test_nobody_is_led_elsewhere_after_signing_in(ada: Visit, browser: Browser) -> None:
    targets = ["//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "http:evil.example"]
    targets += ["/%09/evil.example", " //evil.example", "/\t/evil.example", "javascript:alert(1)"]
    ada.watch.expected = ("404 (Not Found)",)
    for target in targets:
        ada.go(f"/sign-in?next={quote(target, safe='')}")
        assert ada.page.url.startswith(f"{origin(ada.stack)}/"), target
    visit = Visit.begin(ada.stack, browser)
    page = visit.go(f"/sign-in?next={quote('//evil.example', safe='')}")
    page.locator("input[name=next]").evaluate("field => { field.value = '//evil.example'; }")
    page.get_by_label("E-mail").fill("admin@example.com")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    visit.is_at("/")
    visit.context.close()
    visit.watch.check()


def test_session_is_a_new_one_after_signing_in(stack: Stack, ada: Visit, browser: Browser) -> None:
    """A cookie that was planted before is not taken over."""
    visit = Visit.begin(stack, browser)
    planted = {"name": "oc_session", "value": "planted", "url": origin(stack)}
    visit.context.add_cookies([planted])  # type: ignore[list-item]
    visit.sign_in()
    assert visit.cookie()["oc_session"] not in {"planted", ada.cookie()["oc_session"]}
    visit.context.close()


def test_two_session_cookies_are_as_good_as_none(ada: Visit) -> None:
    """One of them may be planted by a page on a sibling of this host's name: it cannot be told which."""
    own = ada.cookie()["oc_session"]
    for cookies in (f"oc_session={own}; oc_session=other", f"oc_session=other; oc_session={own}"):
        answer = httpx.get(f"{ada.stack.url}/", headers={"Cookie": cookies})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/")
    assert httpx.get(f"{ada.stack.url}/", headers={"Cookie": f"oc_session={own}"}).status_code == 200


def test_no_form_of_any_page_is_taken_from_elsewhere(ada: Visit, trap: Trap) -> None:
    """All forms that a crawler finds who follows every link of the signed-in pages."""
    with ada.client() as client:
        actions = crawl(client)
        expected = {
            "/sign-out",
            "/sandboxes/new",
            "/settings/keys",
            "/settings/members/invite",
            "/settings/account/name",
        }
        expected |= {f"/sandboxes/{trap.id}/{verb}" for verb in ("kill", "hibernate", "checkpoints", "previews")}
        expected |= {f"{trap.checkpoint}/{verb}" for verb in ("fork", "restore", "delete", "publish", "patches")}
        assert expected <= actions
        token = ada.token()
        forged: list[tuple[str | None, str]] = [(ada.stack.url, ""), (ada.stack.url, f"{token}x"), (None, token)]
        forged += [(origin, token) for origin in (trap.preview, "null", f"http://localhost:{PORT}")]
        for action in [*sorted(actions), f"/app/api/sandboxes/{trap.id}/hibernate"]:
            for sender, csrf in forged:
                headers = {"X-CSRF-Token": csrf} | ({"Origin": sender} if sender else {})
                answer = client.post(action, headers=headers, data={"csrf": csrf})
                assert answer.status_code == 403, (action, headers, answer.status_code)
    assert trap.status() == "running"
    ada.go("/settings/account")
    ada.is_at("/settings/account")


class Links(HTMLParser):
    """Where a page leads: its links, and its forms that change something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.actions: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "form" and given.get("method") == "post":
            self.actions.append(given["action"])


def crawl(client: httpx.Client) -> set[str]:
    """Where the forms of all pages lead that change something."""
    todo, seen, actions = ["/"], set[str](), set[str]()
    while todo:
        path = todo.pop()
        if path in seen or not path.startswith("/") or "path=" in path:  # files of a sandbox lead to files only
            continue
        seen.add(path)
        answer = client.get(path)
        if "text/html" in answer.headers.get("content-type", ""):
            page = Links(answer.text)
            todo += page.links
            actions |= set(page.actions)
    assert len(seen) > 15, seen
    return actions
