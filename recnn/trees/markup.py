"""Trees of XML and HTML."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from parsers.errors import TreeError
from recnn.trees.nested import from_nested
from recnn.trees.typed_tree import TypedTree

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_BLOCKS = {
    "address",
    "article",
    "aside",
    "blockquote",
    "div",
    "dl",
    "fieldset",
    "footer",
    "form",
    "header",
    "hr",
    "main",
}
_BLOCKS |= {"nav", "ol", "p", "pre", "section", "table", "ul"} | _HEADINGS
_CLOSED_BY = {
    "p": _BLOCKS,
    "li": {"li"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
    "option": {"option", "optgroup"},
    "td": {"td", "th", "tr", "tbody", "tfoot"},
    "th": {"td", "th", "tr", "tbody", "tfoot"},
    "tr": {"tr", "tbody", "tfoot"},
    "thead": {"tbody", "tfoot"},
    "tbody": {"tbody", "tfoot"},
}
"""Elements of HTML without an end tag, and the start tags that end them."""


class _Element:
    def __init__(self, label: str, word: str | None = None) -> None:
        self.label, self.word = label, word
        self.below: list[_Element] = []


class _Builder:
    """The elements of a document so far."""

    def __init__(self, remove_blank_text: bool, split_text: bool) -> None:
        self.root = _Element("#document")
        self.open = [self.root]
        self.tags: Counter[str] = Counter()  # of the open elements
        self.remove_blank_text, self.split_text = remove_blank_text, split_text
        self._text: list[str] = []

    def start(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = self.add(tag)
        element.below += [_Element(f"@{name}", value) for name, value in attributes]
        self.open.append(element)
        self.tags[tag] += 1

    def end(self) -> None:
        self.flush()
        self.tags[self.open.pop().label] -= 1

    def text(self, text: str) -> None:
        self._text.append(text)

    def add(self, label: str, word: str | None = None) -> _Element:
        self.flush()
        self.open[-1].below.append(element := _Element(label, word))
        return element

    def flush(self) -> None:
        """Add the text since the last tag."""
        text = "".join(self._text)
        self._text.clear()
        if not text or ((self.remove_blank_text or self.split_text) and not text.strip()):
            return
        pieces = text.split() if self.split_text else [text]
        self.open[-1].below += [_Element("#text", piece) for piece in pieces]

    def tree(self) -> TypedTree:
        self.flush()
        only = self.root.below[0] if len(self.root.below) == 1 and self.root.below[0].label[0] != "#" else self.root
        return from_nested(only, lambda e: e.below, lambda e: e.label, lambda e: e.word)


def from_xml(text: str | bytes, remove_blank_text: bool = False, split_text: bool = False) -> TypedTree:
    """Convert an XML document to a tree.

    The type of an element is its tag, with its prefix if it has one. Its attributes are the first nodes below it, of
    the type ``@name`` with the value as word; text, comments and processing instructions are nodes of the types
    ``#text``, ``#comment`` and ``#pi``. The root is the element of the document; or ``#document``, if there are
    comments beside it.

    >>> print(from_xml('<a href="x">duck<b>!</b></a>'))
    a
    ├── @href: x
    ├── #text: duck
    └── b
        └── #text: !

    Args:
        text: the document; as bytes, in the encoding that it declares.
        remove_blank_text: leave out text that is white space.
        split_text: make a node of each word of a text; white space is left out.

    Raises:
        TreeError: the document is not well-formed.
    """
    builder = _Builder(remove_blank_text, split_text)
    parser = expat.ParserCreate()
    parser.ordered_attributes = True
    parser.buffer_text = True

    def start(tag: str, attributes: list[str]) -> None:
        builder.start(tag, list(zip(attributes[::2], attributes[1::2], strict=True)))

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: builder.end()
    parser.CharacterDataHandler = builder.text
    parser.CommentHandler = lambda comment: builder.add("#comment", comment)
    parser.ProcessingInstructionHandler = lambda target, data: builder.add("#pi", f"{target} {data}".rstrip(" "))
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        problem = expat.errors.messages[error.code]
        raise TreeError(f"line {error.lineno}, column {error.offset + 1}: {problem}") from None
    except (ValueError, LookupError) as error:  # an unknown encoding, or a lone surrogate
        raise TreeError(str(error)) from None
    return builder.tree()


class _HtmlReader(HTMLParser):
    def __init__(self, builder: _Builder) -> None:
        super().__init__()
        self.builder = builder

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        while tag in _CLOSED_BY.get(self.builder.open[-1].label, ()):
            self.builder.end()
        self.builder.start(tag, attrs)
        if tag in _VOID:
            self.builder.end()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # HTML has no empty tags but those of void elements

    def handle_endtag(self, tag: str) -> None:
        if self.builder.tags[tag]:
            while self.builder.open[-1].label != tag:
                self.builder.end()
            self.builder.end()

    def handle_data(self, data: str) -> None:
        self.builder.text(data)

    def handle_comment(self, data: str) -> None:
        self.builder.add("#comment", data)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Read ``<![`` as a comment up to the next ``>`` if it is no section, as browsers do."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i, report)


def from_html(text: str, remove_blank_text: bool = False, split_text: bool = False) -> TypedTree:
    """Convert an HTML document or a part of one to a tree, as `from_xml`.

    Elements without an end tag end where the next one of their kind or their parent does. What is not HTML is no error.
    The root is ``#document``, unless there is one element only.

    >>> print(from_html("<ul><li>one<li>two</ul>"))
    ul
    ├── li
    │   └── #text: one
    └── li
        └── #text: two

    Args:
        text: the document.
        remove_blank_text: see `from_xml`.
        split_text: see `from_xml`.
    """
    builder = _Builder(remove_blank_text, split_text)
    reader = _HtmlReader(builder)
    reader.feed(text)
    reader.close()
    return builder.tree()


def to_xml(tree: TypedTree) -> str:
    """Convert a tree to XML, the inverse of `from_xml`, unless text was removed or split; without recursion.

    Raises:
        TreeError: the tree is not of this kind; the message has the index of the node.
    """
    below = tree.children()
    parts: list[str] = []
    agenda: list[int | str] = [0]
    while agenda:
        node = agenda.pop()
        if isinstance(node, str):
            parts.append(node)
            continue
        label, word = tree.labels[node], tree.words[node]
        if label == "#document":
            agenda.extend(reversed(below[node]))
        elif label in ("#text", "#comment", "#pi") and word is not None:
            # A carriage return that is written as it is would be read as a line feed.
            written = {"#text": escape(word, {"\r": "&#13;"}), "#comment": f"<!--{word}-->", "#pi": f"<?{word}?>"}
            parts.append(written[label])
        elif label[:1] in ("#", "@", "") or word is not None:
            raise TreeError(f"node {node} ({label[:60]!r}) is not as `from_xml` makes it")
        else:
            attributes = [child for child in below[node] if tree.labels[child].startswith("@")]
            quoted = (f" {tree.labels[one][1:]}={quoteattr(tree.words[one] or '')}" for one in attributes)
            inner = below[node][len(attributes) :]
            parts.append(f"<{label}{''.join(quoted)}{'' if inner else '/'}>")
            agenda.extend([f"</{label}>", *reversed(inner)] if inner else [])
    return "".join(parts)
