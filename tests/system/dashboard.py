"""The dashboard of a stack in a real browser: who signs in, what is watched meanwhile, and what pages must keep to."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, ViewportSize, expect

from oc.store.people import FIRST_ORGANIZATION
from tests.system.stack import Stack
from tests.web import EMAIL, PASSWORD, TOKEN

PATIENCE_MS = 60_000
DESKTOP, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
SHOTS = os.environ.get("OC_SHOTS")  # a directory: pages are drawn into it, to be looked at

# What a person who sees nothing, or uses no mouse, needs of a page; and that it fits its window.
AUDIT = r"""() => {
  const wrong = [], all = (what) => [...document.querySelectorAll(what)];
  const what = (element) => element.outerHTML.slice(0, 160);
  const text = (id) => document.getElementById(id)?.textContent.trim();
  const named = (element) => (element.getAttribute("aria-label") ?? "").trim()
    || (element.getAttribute("aria-labelledby") ?? "").split(/\s+/).some((id) => id && text(id))
    || [...(element.labels ?? [])].some((label) => label.textContent.trim());
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  if (!document.documentElement.lang) wrong.push("no language");
  if (!/\S+ · OpenComputer$/.test(document.title)) wrong.push(`title ${document.title}`);
  if (all("h1").length !== 1) wrong.push(`${all("h1").length} h1`);
  if (all("main").length !== 1) wrong.push("not one main");
  let depth = 0;
  for (const heading of all("h1, h2, h3, h4").filter(shown)) {
    const level = Number(heading.tagName[1]);
    if (level > depth + 1) wrong.push(`h${level} after h${depth}: ${what(heading)}`);
    depth = level;
  }
  for (const field of all("input:not([type=hidden]), select, textarea"))
    if (!named(field)) wrong.push(`no label: ${what(field)}`);
  for (const image of all("img")) if (!image.hasAttribute("alt")) wrong.push(`no alt: ${what(image)}`);
  for (const svg of all("svg"))
    if (svg.getAttribute("aria-hidden") !== "true" && !named(svg)) wrong.push(`no name: ${what(svg)}`);
  for (const one of all("button, a[href], summary").filter(shown))
    if (!named(one) && !one.textContent.trim()) wrong.push(`no name: ${what(one)}`);
  for (const cell of all("th")) if (!cell.textContent.trim()) wrong.push(`no heading: ${what(cell)}`);
  const ids = all("[id]").map((element) => element.id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) wrong.push(`id ${id} twice`);
  for (const name of ["aria-labelledby", "aria-describedby", "for"])
    for (const element of all(`[${name}]`))
      for (const id of element.getAttribute(name).split(/\s+/))
        if (!document.getElementById(id)) wrong.push(`${name} leads nowhere: ${what(element)}`);
  if (document.querySelector("meta[name=csrf]"))
    for (const form of all("form[method=post]")) if (!form.elements.csrf) wrong.push(`no token: ${what(form)}`);
  const page = document.scrollingElement;
  if (page.scrollWidth > innerWidth) {
    const ends = (element) => element.getBoundingClientRect().right;
    const out = all("main *, header *").filter((element) => shown(element) && ends(element) > innerWidth);
    wrong.push(`wider than its window: ${page.scrollWidth} > ${innerWidth}: ${out.slice(0, 3).map(what)}`);
  }
  return wrong;
}"""


@dataclass
class Watch:
    """What must never happen on a page: errors of scripts, breaches of the policy, requests to other servers."""

    origin: str
    seen: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()  # parts of console messages that a test brings about

    def follow(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.seen.append(f"{page.url}: {error}"))
        page.on("request", lambda request: self.request(request.url))
        page.on("console", lambda message: self.console(message.type, f"{page.url}: {message.text}"))

    def request(self, url: str) -> None:
        if not url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.seen.append(f"request to {url}")

    def console(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not any(part in text for part in self.expected):
            self.seen.append(text)

    def check(self) -> None:
        seen, self.seen, self.expected = self.seen, [], ()
        assert not seen, "\n".join(seen)


@dataclass
class Visit:
    """One person's browser. Pages that it opens are watched, unless they are previews."""

    stack: Stack
    context: BrowserContext
    watch: Watch
    page: Page
    asked: list[str] = field(default_factory=list)  # questions, which are answered with yes

    @classmethod
    def begin(cls, stack: Stack, browser: Browser) -> Visit:
        context = browser.new_context(viewport=DESKTOP, accept_downloads=True)
        context.set_default_timeout(PATIENCE_MS)
        watch, page = Watch(origin(stack)), context.new_page()
        watch.follow(page)
        visit = cls(stack, context, watch, page)
        page.on("dialog", visit.answer)
        return visit

    def answer(self, dialog: Dialog) -> None:
        if dialog.type != "confirm":
            self.watch.seen.append(f"{dialog.type}: {dialog.message}")
        self.asked.append(dialog.message)
        dialog.accept()

    def go(self, path: str) -> Page:
        self.page.goto(f"{self.watch.origin}{path}")
        return self.page

    def is_at(self, path: str) -> None:
        expect(self.page).to_have_url(f"{self.watch.origin}{path}", timeout=PATIENCE_MS)

    def sign_in(self, email: str = EMAIL, password: str = PASSWORD) -> None:
        page = self.go("/sign-in")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        self.is_at("/")

    def enter(self) -> None:
        """As the first user, who signs up when nobody has yet."""
        page = self.go("/")
        if urlsplit(page.url).path != "/sign-up":
            return self.sign_in()
        page.get_by_label("Name").fill("Ada Admin")
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create the account").click()
        self.is_at("/")
        return None

    def cookie(self) -> dict[str, str]:
        return {str(one.get("name")): str(one.get("value")) for one in self.context.cookies(self.watch.origin)}

    def client(self) -> httpx.Client:
        """Programs that have copied this browser's cookie; `token` is the session's."""
        return httpx.Client(base_url=self.stack.url, cookies=self.cookie(), timeout=120, trust_env=False)

    def token(self) -> str:
        with self.client() as client:
            found = TOKEN.search(client.get("/settings/account").text)
        assert found
        return found[1]


def origin(stack: Stack) -> str:
    """By the name whose subdomains are previews: `localhost`, and not an address."""
    return f"http://localhost:{stack.port}"


def key(stack: Stack) -> str:
    """For the organization of the dashboard's first user."""
    return stack.new_key(FIRST_ORGANIZATION)


def audit(page: Page, name: str) -> None:
    """In a wide and in a narrow window."""
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        wrong = page.evaluate(AUDIT)
        assert not wrong, "\n".join([f"{name}, {size['width']} px wide:", *wrong])
        if SHOTS:
            shoot(page, name, size["width"])
    page.set_viewport_size(DESKTOP)


def shoot(page: Page, name: str, width: int) -> None:
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=Path(str(SHOTS)) / f"{name}-{width}-{scheme}.png", full_page=True, animations="disabled")
    page.emulate_media(color_scheme="light")
