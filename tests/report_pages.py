"""Writes sounds and reports, and parses the HTML strictly."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import soundfile as sf

from asteroid_instglow.report import write_page

RATE = 8000
SECONDS = 4

VOID = {"img", "input", "meta", "br"}


class Node:
    """An element with its attributes, children and text."""

    def __init__(self, name, attributes, parent):
        self.name, self.attributes, self.parent = name, dict(attributes), parent
        self.children = []

    def all(self, name, **wanted):
        """Elements below of a name and with the attributes ("class_" is "class")."""
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in wanted.items()}
        for child in self.children:
            if isinstance(child, Node):
                has = all(child.attributes.get(k) == v for k, v in wanted.items())
                if child.name == name and has:
                    yield child
                yield from child.all(name, **wanted)

    def first(self, name, **wanted):
        return next(self.all(name, **wanted))

    @property
    def text(self):
        return "".join(c.text if isinstance(c, Node) else c for c in self.children)


class Page(HTMLParser):
    """Parses strictly: what is opened must be closed, in order."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.root = self.here = Node("root", {}, None)
        self.elements = []
        self.feed(self.source)
        self.close()
        assert self.here is self.root

    def handle_starttag(self, name, attributes):
        node = Node(name, attributes, self.here)
        self.here.children.append(node)
        self.elements.append(node)
        if name not in VOID:
            self.here = node

    def handle_endtag(self, name):
        assert self.here.name == name
        self.here = self.here.parent

    def handle_data(self, text):
        self.here.children.append(text)

    @property
    def notes(self):
        return [
            item.text for box in self.root.all("section", class_="note") for item in box.all("li")
        ]

    def tables(self):
        """Caption to rows of cells, heads included."""
        return {
            found.attributes["aria-label"]: [
                [cell.text for cell in row.children] for row in found.all("tr")
            ]
            for found in self.root.all("table")
        }

    def players(self):
        """Label to (samples, rate) of all players."""
        players = list(self.root.all("audio"))
        found = {p.attributes["aria-label"]: decode(p.attributes["src"]) for p in players}
        assert len(found) == len(players)
        return {label: sf.read(io.BytesIO(content)) for label, content in found.items()}


def decode(uri):
    head, _, content = uri.partition(",")
    assert head.startswith("data:") and head.endswith(";base64")
    return base64.b64decode(content, validate=True)


def sine(frequency, seconds=SECONDS, level=0.1, rate=RATE):
    return level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def pitch(wav, rate):
    return np.abs(np.fft.rfft(wav)).argmax() * rate / len(wav)


def save(path, wav, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, wav, rate)


def make(output, exp_dir, **options):
    options = {"seconds": 2.0, "progress": False, **options}
    return write_page(exp_dir, output, **options), Page(output)
