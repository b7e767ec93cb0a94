"""The forms of a page, as a person finds them: what is filled in already, and what can be typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

Attributes = dict[str, str]


@dataclass
class Form:
    action: str
    values: dict[str, str] = field(default_factory=dict)
    boxes: dict[str, str] = field(default_factory=dict)  # that can be ticked: name and value
    wrong: list[str] = field(default_factory=list)  # fields that are marked as such

    def filled(self, **typed: str) -> dict[str, str]:
        """What is sent. A field that the form does not have cannot be typed into."""
        assert typed.keys() <= self.values.keys() | self.boxes.keys(), (self, typed)
        return self.values | typed


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.forms: list[Form] = []
        self.links: list[Attributes] = []
        self.depths: list[int] = []  # of list items: in how many lists each is
        self.open: list[str] = []  # lists and items that have not ended yet
        self._area: str | None = None
        self._select: str | None = None
        self.feed(text)

    def form(self, end: str) -> Form:
        """The only one whose address ends so."""
        found = [form for form in self.forms if form.action.endswith(end)]
        assert len(found) == 1, (end, [form.action for form in self.forms])
        return found[0]

    def has(self, end: str) -> bool:
        return any(form.action.endswith(end) for form in self.forms)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "a":
            self.links.append(given)
        elif tag in {"ul", "li"}:
            self.open.append(tag)
            if tag == "li":
                self.depths.append(self.open.count("ul"))
        elif tag in {"input", "textarea", "select", "option"}:
            self._field(tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"ul", "li"}:
            assert self.open.pop() == tag, "lists do not end in the order in which they began"
        elif tag == "textarea":
            self._area = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.forms[-1].values[self._area] += data

    def _field(self, tag: str, given: Attributes) -> None:
        form, name = self.forms[-1], given.get("name", "")
        if "aria-invalid" in given:
            form.wrong.append(name)
        if tag == "textarea":
            self._area, form.values[name] = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select is not None:
            form.values.setdefault(self._select, given["value"])
        elif given.get("type") == "checkbox":
            form.boxes[name] = given["value"]
            form.values |= {name: given["value"]} if "checked" in given else {}
        elif tag == "input":
            form.values[name] = given.get("value", "")
