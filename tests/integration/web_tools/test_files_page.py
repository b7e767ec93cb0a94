"""Files in the dashboard, over HTTP: what is shown, what is sent, and what hostile names and contents cannot do."""

from __future__ import annotations

import hashlib
import html
import re
from urllib.parse import quote

import httpx
import pytest

from tests.integration.web_tools.dashboard import Dashboard
from tests.web import post

HOSTILE = (
    "<img src=x onerror=alert(1)>.txt",
    "\"onmouseover='alert(1)' x.txt",
    "a b#c?d%41&e=f+g.txt",
    "Grüße 東京.txt",
    "two\nlines\r.txt",
    "javascript:alert(1).txt",
    "</title><script>alert(1)</script>",
)
LINK = re.compile(r'<a class="entry file" href="([^"]+)"')


def files(id: str, path: str, what: str = "") -> str:
    return f"/sandboxes/{id}/files{what}?path={quote(path, safe='')}"


def test_hostile_names_are_only_text_and_lead_to_their_files(dashboard: Dashboard, sandbox: str) -> None:
    for number, name in enumerate(name.replace("/", "\u2215") for name in HOSTILE):
        dashboard.write(sandbox, f"/root/hostile/{name}", f"content {number}".encode())
    page = dashboard.page(files(sandbox, "/root/hostile"))
    assert "<img" not in page.replace('<img src="/static', "")
    assert "<script>" not in page
    assert "onmouseover='" not in page
    assert "two\\nlines\\r.txt" in page  # no name pretends to be two
    links = [html.unescape(link) for link in LINK.findall(page)]
    contents = "".join(dashboard.page(link) for link in links)
    assert all(f"content {number}" in contents for number in range(len(HOSTILE)))
    assert "<script>alert" not in contents


def test_directories_come_first_and_hidden_files_when_they_are_asked_for(dashboard: Dashboard, sandbox: str) -> None:
    dashboard.run(sandbox, "mkdir -p /root/d/zoo; cd /root/d; echo 12345 > apple; echo > .secret")
    page = dashboard.page(files(sandbox, "/root/d"))
    assert page.index(">zoo<") < page.index(">apple<")
    assert "6 B" in page
    assert ".secret" not in page
    assert ".secret" in dashboard.page(files(sandbox, "/root/d") + "&hidden=1")


def test_a_directory_of_very_many_entries_is_shown_in_part(dashboard: Dashboard, sandbox: str) -> None:
    dashboard.run(sandbox, "mkdir /root/many; cd /root/many; seq 5000 | xargs touch")
    page = dashboard.page(files(sandbox, "/root/many"))
    assert len(LINK.findall(page)) == 2000
    assert "The first 2000 of 5000 entries" in page


def test_a_file_is_shown_with_all_that_is_in_it(dashboard: Dashboard, sandbox: str) -> None:
    dashboard.write(sandbox, "/root/t.html", b"\n<script>alert(1)</script>\x1b[31mred\xe2\x80\xae\n")
    page = dashboard.page(files(sandbox, "/root/t.html", "/view"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31mred\\u202e\n</pre>" in page


def test_only_the_beginning_of_a_large_file_is_shown(dashboard: Dashboard, sandbox: str) -> None:
    dashboard.run(sandbox, "yes line | head -c 5000000 > /root/large")
    page = dashboard.page(files(sandbox, "/root/large", "/view"))
    assert "Only its first 256 KiB" in page
    assert 256 << 10 < len(page) < 300 << 10


def test_what_is_not_text_is_offered_for_download(dashboard: Dashboard, sandbox: str) -> None:
    dashboard.write(sandbox, "/root/b", bytes(range(256)))
    assert "This is not text" in dashboard.page(files(sandbox, "/root/b", "/view"))


@pytest.mark.parametrize("name", ["evil.html", 'e"vil\r\nSet-Cookie: a=b;.svg', "ü"])
def test_a_download_is_never_a_page_of_ours(dashboard: Dashboard, sandbox: str, name: str) -> None:
    content = b"<script>alert(document.cookie)</script>"
    dashboard.write(sandbox, f"/root/{name}", content)
    answer = dashboard.browser.get(files(sandbox, f"/root/{name}", "/download"))
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-disposition"].endswith(f"filename*=UTF-8''{quote(name, safe='')}")
    assert answer.headers["content-length"] == str(len(content))
    assert "set-cookie" not in answer.headers


def test_a_large_download_is_whole(dashboard: Dashboard, sandbox: str) -> None:
    dashboard.run(sandbox, "head -c 30000000 /dev/urandom > /root/large")
    digest = dashboard.run(sandbox, "sha256sum < /root/large").split()[0]
    summed = hashlib.sha256()
    with dashboard.browser.stream("GET", files(sandbox, "/root/large", "/download")) as answer:
        for chunk in answer.iter_raw():
            summed.update(chunk)
    assert summed.hexdigest() == digest


@pytest.mark.parametrize("what", ["", "/view", "/download"])
def test_what_is_not_there_is_said_on_a_page(dashboard: Dashboard, sandbox: str, what: str) -> None:
    page = dashboard.page(files(sandbox, "/root/<b>no</b>", what), 404)
    assert "<b>no" not in page
    assert "&lt;b&gt;no" in page


@pytest.mark.parametrize("what", ["", "/view", "/download"])
def test_looking_does_not_wake(dashboard: Dashboard, sandbox: str, what: str) -> None:
    dashboard.write(sandbox, "/root/a", b"content")
    dashboard.sleep(sandbox)
    answer = dashboard.browser.get(files(sandbox, "/root/a", what), follow_redirects=True)
    assert "The sandbox is asleep" in answer.text
    assert dashboard.status(sandbox) == "hibernated"


def test_the_button_wakes_and_leads_back(dashboard: Dashboard, sandbox: str) -> None:
    dashboard.run(sandbox, "mkdir '/root/a b'")
    dashboard.sleep(sandbox)
    here = files(sandbox, "/root/a b")
    after = html.unescape(re.findall(r'name="next" value="([^"]+)"', dashboard.page(here))[0])
    answer = post(dashboard.browser, f"/sandboxes/{sandbox}/wake", next=after)
    assert answer.status_code == 303
    assert dashboard.browser.get(answer.headers["location"]).url.params["path"] == "/root/a b"
    assert dashboard.status(sandbox) == "running"


@pytest.mark.parametrize(
    "page", ["files", "files/view?path=/etc/passwd", "files/download?path=/etc/passwd", "terminal", "sessions"]
)
def test_who_is_signed_out_is_sent_to_sign_in(dashboard: Dashboard, sandbox: str, page: str) -> None:
    answer = httpx.get(f"{dashboard.url}/sandboxes/{sandbox}/{page}", trust_env=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("what", ["upload", "mkdir", "delete"])
@pytest.mark.parametrize("headers", [{"X-CSRF-Token": "guess"}, {"Origin": "http://evil.example"}])
def test_changes_need_the_token_and_our_origin(
    dashboard: Dashboard, sandbox: str, what: str, headers: dict[str, str]
) -> None:
    dashboard.write(sandbox, "/root/kept", b"content")
    method, path = {
        "upload": ("PUT", "/files?path=/root/kept"),
        "mkdir": ("POST", "/files/mkdir?path=/root/new"),
        "delete": ("DELETE", "/files?path=/root/kept"),
    }[what]
    dashboard.call(method, f"/sandboxes/{sandbox}{path}", 403, headers=headers)
    assert dashboard.run(sandbox, "cat /root/kept; ls /root | grep -c new || true") == "content0\n"
