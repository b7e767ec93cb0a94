"""The dashboard as a person uses it, from the first visit on: a real browser, a real service, real sandboxes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import chromium
from tests.system.dashboard import PATIENCE_MS, Visit, audit, key, origin
from tests.system.stack import OC, Stack, wait_for
from tests.web import EMAIL, PASSWORD

expect.set_options(timeout=PATIENCE_MS)
MEMBER, MEMBERS_PASSWORD = "mary@example.com", "a member's own words"
PORT = 8000
LINK = re.compile(r"open (http://\S+)")


@pytest.fixture(scope="module")
def browser(stack: Stack) -> Iterator[Browser]:
    """After the stack, whose making runs a loop: while a browser is there, asyncio takes its loop for this thread's."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def person(stack: Stack, browser: Browser) -> Iterator[Visit]:
    """The first user, who comes in by the front door."""
    visit = Visit.begin(stack, browser)
    visit.enter()
    yield visit
    visit.context.close()


@pytest.fixture
def ada(person: Visit) -> Iterator[Visit]:
    person.asked.clear()
    yield person
    person.watch.check()


@pytest.fixture
def somebody(stack: Stack, browser: Browser) -> Iterator[Visit]:
    """At another browser, not signed in."""
    visit = Visit.begin(stack, browser)
    yield visit
    visit.context.close()
    visit.watch.check()


@pytest.fixture(scope="module")
def api_key(person: Visit) -> str:
    return key(person.stack)


@pytest.fixture(scope="module")
def box(person: Visit, api_key: str) -> Iterator[str]:
    """A sandbox that is made by the form."""
    page = person.go("/sandboxes/new")
    page.get_by_label("Idle timeout").fill("3600")
    page.get_by_label("Metadata").fill("project=website")
    page.get_by_role("button", name="Create sandbox").click()
    expect(page.locator("#sandbox-head .status")).to_have_text("running")
    id = page.url.rpartition("/")[2]
    yield id
    kill(person.stack, api_key, id)


@pytest.fixture(scope="module")
def checkpoint(person: Visit, box: str) -> str:
    """Of the sandbox with its memory, made by the button; its address."""
    page = person.go(f"/sandboxes/{box}/checkpoints")
    page.get_by_label("Name").fill("clean")
    page.get_by_role("button", name="Create checkpoint").click()
    expect(page.locator("#checkpoints .status")).to_have_text("ready")
    address = page.locator("#checkpoints").get_by_role("link", name="clean").get_attribute("href")
    assert address
    return address


def kill(stack: Stack, api_key: str, *ids: str) -> None:
    with stack.api(api_key) as api:
        for id in ids:
            assert api.delete(f"/sandboxes/{id}").status_code in {204, 404}


def sh(stack: Stack, api_key: str, id: str, script: str) -> str:
    ran = stack.oc("exec", id, "--", "sh", "-c", script, key=api_key)
    assert ran.code == 0, ran.err
    return ran.out


def same_page(page: Page) -> Locator:
    """Found until the page is loaded anew."""
    page.evaluate("document.documentElement.dataset.mark = 'here'")
    return page.locator("html[data-mark=here]")


# --- from nothing to a sandbox ---


def test_first_user_finds_no_sandboxes_and_the_way_to_one(ada: Visit) -> None:
    page = ada.go("/")
    expect(page.get_by_role("heading", name="No sandboxes yet")).to_be_visible()
    audit(page, "empty")
    page.get_by_role("link", name="Create the first one").click()
    expect(page.get_by_role("heading", name="New sandbox")).to_be_visible()


def test_form_keeps_what_was_typed_wrongly_and_says_where(ada: Visit) -> None:
    ada.watch.expected = ("400 (Bad Request)",)
    page = ada.go("/sandboxes/new")
    page.get_by_label("Metadata").fill("project=website")
    page.get_by_label("Memory").fill("lots")
    page.get_by_role("button", name="Create sandbox").click()
    expect(page.get_by_label("Memory")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Memory")).to_be_focused()
    expect(page.get_by_label("Memory")).to_have_value("lots")
    expect(page.get_by_label("Metadata")).to_have_value("project=website")
    audit(page, "create-wrong")


def test_made_sandbox_has_a_page_that_tells_what_it_uses(ada: Visit, box: str) -> None:
    page = ada.go(f"/sandboxes/{box}")
    expect(page.locator("#facts")).to_contain_text("website")
    expect(page.locator("#facts")).to_contain_text("1 h")
    charts = page.locator("figure.chart")
    expect(charts.filter(has_text="Memory")).to_contain_text(re.compile(r"[1-9]\d* MB of \d+ MB"))
    expect(charts.filter(has_text="CPU")).to_contain_text(re.compile(r"\d+.* of [\d.]+ vCPU"))
    expect(charts.filter(has_text="Memory").locator("path.line")).to_have_attribute("d", re.compile(r"^M.+L"))


def test_list_shows_what_others_make_and_kill_without_a_reload(ada: Visit, box: str, api_key: str) -> None:
    page = ada.go("/")
    mark = same_page(page)
    expect(page.locator(f"[id='{box}'] .status")).to_have_text("running")
    with ada.stack.api(api_key) as api:
        other = api.post("/sandboxes", json={}).json()["sandboxID"]
        row = page.locator(f"[id='{other}']")
        expect(row.locator(".status")).to_have_text("running")
        expect(row).to_contain_text(re.compile(r"[1-9]\d* / \d+ MB"))
        assert api.delete(f"/sandboxes/{other}").status_code == 204
        expect(row).to_have_count(0)
    expect(mark).to_have_count(1)


# --- inside ---


def test_shell_is_typed_into_resized_and_found_again(ada: Visit, box: str) -> None:
    page = ada.go(f"/sandboxes/{box}/terminal")
    words, rows, screen = page.locator("[data-words]"), page.locator(".xterm-rows"), page.locator("[data-screen]")
    expect(words).to_have_text("Connected")
    expect(rows).to_contain_text("#")
    screen.click()
    page.keyboard.type("echo is-$((6*7)); trap 'echo size-$(stty size)-' WINCH; mine=$((20+3))\n")
    expect(rows).to_contain_text("is-42")
    page.set_viewport_size({"width": 700, "height": 600})
    expect(rows).to_contain_text(re.compile(r"size-\d+ [78]\d-"))
    page.reload()
    expect(words).to_have_text("Connected")
    expect(rows).to_contain_text("is-42")
    screen.click()
    page.keyboard.type("echo kept-$mine\n")
    expect(rows).to_contain_text("kept-23")
    audit(page, "terminal")


def test_command_is_run_its_output_seen_and_another_killed(ada: Visit, box: str) -> None:
    page = ada.go(f"/sandboxes/{box}/sessions")
    command, run = page.get_by_role("textbox", name="Command"), page.get_by_role("button", name="Run", exact=True)
    command.fill("echo out; echo err >&2; exit 3")
    run.click()
    expect(page.locator("[data-words]")).to_have_text("Exited with 3")
    expect(page.locator(".xterm-rows")).to_contain_text("out")
    expect(page.locator(".xterm-rows")).to_contain_text("err")
    audit(page, "session")
    ada.go(f"/sandboxes/{box}/sessions")
    command.fill("sleep 600")
    run.click()
    expect(page.locator("[data-words]")).to_have_text("Running")
    ada.go(f"/sandboxes/{box}/sessions")
    row = page.locator("#sessions tr", has_text="sleep 600")
    row.get_by_label("Signal for sleep 600").select_option("KILL")
    row.get_by_role("button", name="Send").click()
    expect(row).to_contain_text("exit -1")
    audit(page, "sessions")


def test_files_are_uploaded_seen_downloaded_and_deleted(ada: Visit, box: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    (tmp_path / "data.bin").write_bytes(content)
    (tmp_path / "read me.txt").write_text("its own words\n")
    page = ada.go(f"/sandboxes/{box}/files?path=/root")
    page.get_by_role("button", name="New directory").click()
    page.get_by_label("Name of the new directory").fill("papers")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="papers", exact=True).click()
    page.locator("input[data-upload]").set_input_files([tmp_path / "data.bin", tmp_path / "read me.txt"])
    expect(page.locator("[data-uploads] .good")).to_have_count(2)
    audit(page, "files")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download data.bin").click()
    assert waiting.value.path().read_bytes() == content
    page.get_by_role("link", name="read me.txt", exact=True).click()
    expect(page.locator("pre.content")).to_have_text("its own words\n")
    audit(page, "file")
    page.get_by_role("button", name="Delete").click()
    ada.is_at(f"/sandboxes/{box}/files?path=/root/papers")
    expect(page.get_by_role("link", name="data.bin", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="read me.txt", exact=True)).to_have_count(0)
    page.get_by_label("Path").get_by_role("link", name="root").click()
    page.get_by_role("button", name="Delete papers").click()
    expect(page.get_by_role("link", name="papers", exact=True)).to_have_count(0)
    assert len(ada.asked) == 2


# --- through time ---


def test_checkpoint_is_patched_and_forked_and_drawn(ada: Visit, box: str, checkpoint: str, api_key: str) -> None:
    page = ada.go(checkpoint)
    page.get_by_label("Description").fill("marks forks")
    page.get_by_label("Script", exact=True).fill("touch /root/patched")
    page.get_by_role("button", name="Add patch").click()
    expect(page.locator("article.patch")).to_contain_text("touch /root/patched")
    page.get_by_label("How many").fill("2")
    page.get_by_role("button", name="Fork", exact=True).click()
    forks = page.locator("section:has(#forks) li a")
    expect(forks).to_have_count(2)
    ids = forks.all_text_contents()
    audit(page, "forked")
    for id in ids:
        assert sh(ada.stack, api_key, id, "ls /root/patched") == "/root/patched\n"
    ada.go(f"/sandboxes/{box}/checkpoints")
    drawn = page.locator("#lineage > ul > li > ul > li", has_text="clean").locator("ul > li")
    expect(drawn).to_have_count(2)
    assert sorted(drawn.locator("a").all_text_contents()) == sorted(ids)
    audit(page, "checkpoints")
    ada.go(checkpoint)
    audit(page, "checkpoint")
    kill(ada.stack, api_key, *ids)


def test_restore_undoes_what_came_after(ada: Visit, box: str, checkpoint: str, api_key: str) -> None:
    sh(ada.stack, api_key, box, "touch /root/later")
    page = ada.go(f"/sandboxes/{box}/checkpoints")
    page.get_by_role("button", name="Restore clean").click()
    expect(page.locator("#sandbox-status")).to_have_text("running")

    def is_undone() -> bool:
        """It may be refused while the sandbox is changed."""
        return ada.stack.oc("exec", box, "--", "sh", "-c", "ls /root/later || echo none", key=api_key).out == "none\n"

    wait_for(is_undone, "the restore")
    assert "Put" in ada.asked[0]


def test_sleeping_sandbox_is_woken_by_its_button(ada: Visit, box: str) -> None:
    page = ada.go(f"/sandboxes/{box}")
    status = page.locator("#sandbox-head .status")
    page.get_by_role("button", name="Hibernate").click()
    expect(status).to_have_text("hibernated")
    expect(page.locator("#running")).to_contain_text("it is hibernated")
    audit(page, "hibernated")
    for tab in ("terminal", "sessions", "files", "previews"):
        ada.go(f"/sandboxes/{box}/{tab}")
        audit(page, f"hibernated-{tab}")
    expect(status).to_have_text("hibernated")
    ada.go(f"/sandboxes/{box}/files?path=/etc")
    page.get_by_role("button", name="Wake it").click()
    expect(page.get_by_role("link", name="hostname", exact=True)).to_be_visible()
    expect(status).to_have_text("running")


# --- reached from outside ---


def test_preview_is_added_opened_and_locked(ada: Visit, box: str, api_key: str) -> None:
    sh(ada.stack, api_key, box, "mkdir -p /srv/www; echo '<h1>Served inside</h1>' >/srv/www/index.html")
    server = f"cd /srv/www; python3 -m http.server {PORT} --bind 127.0.0.1"
    ran = ada.stack.oc("exec", box, "--detach", "--", "sh", "-c", server, key=api_key)
    assert ran.code == 0, ran.err
    page = ada.go(f"/sandboxes/{box}/previews")
    page.get_by_label("Port").fill(str(PORT))
    page.get_by_role("button", name="Add").click()
    link = page.get_by_role("link", name=re.compile(f"{box}-p{PORT}"))
    address = f"http://{box}-p{PORT}.localhost:{ada.stack.port}"
    wait_for(lambda: preview(ada.stack, address).status_code == 200, "the server inside")
    with page.expect_popup() as opened:
        link.click()
    seen = opened.value
    expect(seen.get_by_role("heading", name="Served inside")).to_be_visible()
    assert seen.evaluate("window.opener") is None
    page.get_by_role("button", name="Ask for a token").click()
    token = page.locator("section:has(#token) code").inner_text()
    audit(page, "previews")
    seen.reload()
    expect(seen.get_by_role("heading", name="This preview needs a token")).to_be_visible()
    seen.close()
    assert preview(ada.stack, address, token).status_code == 200
    page.get_by_role("button", name="New token").click()
    expect(page.locator("section:has(#token) code")).not_to_have_text(token)
    assert preview(ada.stack, address, token).status_code == 401
    page.get_by_role("button", name=f"Delete the preview URL of port {PORT}").click()
    expect(link).to_have_count(0)


def preview(stack: Stack, address: str, token: str = "") -> httpx.Response:
    headers = {"Host": httpx.URL(address).netloc.decode()} | ({"Authorization": f"Bearer {token}"} if token else {})
    return httpx.get(stack.url, headers=headers, timeout=60)


def test_events_tell_what_happened(ada: Visit, box: str, checkpoint: str) -> None:
    page = ada.go(f"/sandboxes/{box}/events")
    happened = page.locator("#events td:nth-child(2)").all_text_contents()
    assert {"checkpoint.created", "restored", "hibernated", "resumed"} <= set(happened), happened
    audit(page, "events")


def test_sandbox_is_killed_only_after_a_question(ada: Visit, api_key: str) -> None:
    with ada.stack.api(api_key) as api:
        id = api.post("/sandboxes", json={}).json()["sandboxID"]
    page = ada.go(f"/sandboxes/{id}")
    page.get_by_role("button", name="Kill").click()
    expect(page.locator("#sandbox-head .status")).to_have_text("stopped")
    assert id in ada.asked[0]
    for tab in ("", "/terminal", "/files", "/previews", "/checkpoints"):
        ada.go(f"/sandboxes/{id}{tab}")
        audit(page, f"stopped{tab.replace('/', '-')}")
    ada.go("/")
    expect(page.locator(f"[id='{id}']")).to_have_count(0)


# --- people and keys ---


def test_key_is_shown_once_works_and_is_revoked(ada: Visit, box: str) -> None:
    page = ada.go("/settings/keys")
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Create key").click()
    shown = page.locator("section:has(#new-key) code").first.inner_text()
    audit(page, "keys-new")
    listed = ada.stack.oc("ls", key=shown)
    assert (listed.code, box in listed.out) == (0, True), listed.err
    ada.go("/settings/keys")
    assert shown not in page.content()
    row = page.locator("tr", has_text="laptop")
    audit(page, "keys")
    row.get_by_role("button", name="Revoke laptop").click()
    expect(row).to_have_count(0)
    assert "laptop" in ada.asked[0]
    assert ada.stack.oc("ls", key=shown).code == 3


def test_invited_member_comes_in_and_has_a_members_limits(ada: Visit, somebody: Visit, box: str) -> None:
    page = ada.go("/settings/members")
    page.get_by_label("E-mail").fill(MEMBER)
    page.get_by_role("button", name="Make an invitation").click()
    link = page.locator("section:has(#new-invitation) code").inner_text()
    audit(page, "members-invitation")
    theirs = somebody.go(link.removeprefix(origin(ada.stack)))
    audit(theirs, "invitation")
    theirs.get_by_label("Name").fill("Mary Member")
    theirs.get_by_label("Password").fill(MEMBERS_PASSWORD)
    theirs.get_by_role("button", name="Join").click()
    expect(theirs.locator(f"[id='{box}']")).to_be_visible()
    somebody.go("/settings/members")
    expect(theirs.get_by_role("cell", name=EMAIL)).to_be_visible()
    expect(theirs.get_by_role("button", name="Make an invitation")).to_have_count(0)
    expect(theirs.get_by_role("button", name=re.compile("Remove|Change"))).to_have_count(0)
    audit(theirs, "members-as-member")
    form = {"csrf": somebody.token(), "email": "x@example.com", "role": "admin"}
    with somebody.client() as client:
        assert client.post("/settings/members/invite", headers={"Origin": ada.stack.url}, data=form).status_code == 403
    somebody.watch.expected = ("404 (Not Found)",)
    again = somebody.go(link.removeprefix(origin(ada.stack)))
    expect(again.get_by_role("button", name="Join")).to_have_count(0)
    ada.go("/settings/members")
    page.get_by_role("button", name=f"Remove {MEMBER}").click()
    expect(page.get_by_role("cell", name=MEMBER)).to_have_count(0)
    somebody.go("/")
    assert "/sign-in" in theirs.url


def test_command_line_is_logged_in_by_the_browser(ada: Visit, box: str, tmp_path: Path) -> None:
    environment = ada.stack.user_environment() | {"HOME": str(tmp_path), "OPENCOMPUTER_API_URL": origin(ada.stack)}
    del environment["OPENCOMPUTER_API_KEY"]
    told = tmp_path / "told"
    with told.open("wb") as err:
        login = subprocess.Popen(
            [OC, "login", "--no-browser"], env=environment, stdin=subprocess.DEVNULL, stdout=err, stderr=err
        )
    try:
        link = wait_for(lambda: LINK.search(told.read_text()), "the address to open")
        page = ada.go(link[1].removeprefix(origin(ada.stack)))
        audit(page, "device-code")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("status").filter(has_text="Approved")).to_be_visible()
        assert login.wait(60) == 0, told.read_text()
    finally:
        login.kill()
        login.wait()

    def oc(*argv: str) -> tuple[int, str]:
        ran = subprocess.run([OC, *argv], env=environment, capture_output=True, text=True, timeout=60, check=False)
        return ran.returncode, ran.stdout + ran.stderr

    assert EMAIL in oc("whoami")[1]
    assert box in oc("ls")[1]
    ada.go("/settings/keys")
    row = page.locator("tr", has_text="oc login")
    expect(row).to_contain_text(EMAIL)
    assert oc("logout")[0] == 0
    ada.go("/settings/keys")
    expect(row).to_have_count(0)
    assert oc("ls")[0] == 3


def test_who_signs_out_leaves_nothing_behind(somebody: Visit, box: str) -> None:
    somebody.sign_in()
    page = somebody.page
    expect(page.locator(f"[id='{box}']")).to_be_visible()
    with somebody.client() as thief:
        assert thief.get("/").status_code == 200
        page.locator("header .menu summary").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert box not in page.content()
        assert thief.get("/").status_code == 303
        assert thief.get("/app/api/sandboxes").status_code == 401


def test_keyboard_alone_opens_a_sandbox(somebody: Visit, box: str) -> None:
    page = somebody.go("/sign-in")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(EMAIL)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    row = page.get_by_role("link", name=box)
    expect(row).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if row.evaluate("link => link === document.activeElement"):
            break
    assert row.evaluate("link => link.matches(':focus-visible')")
    page.keyboard.press("Enter")
    somebody.is_at(f"/sandboxes/{box}")


# --- every page ---

OTHERS = {  # that no menu leads to
    "list-nothing-found": "/?q=nothing+like+it",
    "list-all": "/?status=all",
    "create": "/sandboxes/new",
    "files-of-etc": "/sandboxes/{box}/files?path=/etc&hidden=1",
    "device": "/device",
    "nothing-there": "/sandboxes/sb-00000000",
}


def test_every_page_of_the_menus_is_whole_for_everybody(ada: Visit, box: str) -> None:
    """For who sees nothing, or uses no mouse, or a phone; and it asks nobody else for anything."""
    page = ada.go(f"/sandboxes/{box}")
    links = page.locator("header nav a, header .menu-body a, nav.tabs a").all()
    paths = {link.get_attribute("href") or "" for link in links} - {"/docs"}
    assert {"/", "/settings/members", "/settings/account", f"/sandboxes/{box}/events"} <= paths
    for path in sorted(paths):
        audit(ada.go(path), path.replace(box, "").strip("/").replace("/", "-") or "list")


@pytest.mark.parametrize("name", OTHERS)
def test_page_is_whole_for_everybody(ada: Visit, box: str, name: str) -> None:
    ada.watch.expected = ("404 (Not Found)",) if name == "nothing-there" else ()
    audit(ada.go(OTHERS[name].format(box=box)), name)


@pytest.mark.parametrize("path", ["/sign-in", "/sign-up"])
def test_page_at_the_door_is_whole_for_everybody(somebody: Visit, ada: Visit, path: str) -> None:
    audit(somebody.go(path), path[1:])
