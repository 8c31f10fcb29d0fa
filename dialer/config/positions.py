"""Where each key and value of a TOML text stands.

tomllib gives values without positions; tree-sitter gives the syntax tree with positions. This file walks the tree and
writes down, for each key path, where the key and where its value begin. The tree is trusted only after tomllib has
accepted the text, so every node is well formed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter
import tree_sitter_toml

KeyPath = tuple[str | int, ...]

_LANGUAGE = tree_sitter.Language(tree_sitter_toml.language())


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column in a file, counted from 1, columns in characters."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a key is written and where its value begins (for a table: the same place)."""

    key: Place
    value: Place


Positions = dict[KeyPath, Entry]


def parse_tree(text: bytes) -> tree_sitter.Tree:
    """The syntax tree of a TOML text, errors included as ERROR nodes."""
    return tree_sitter.Parser(_LANGUAGE).parse(text)


class _Walker:
    """Collects entries; one for each file."""

    def __init__(self, file: str, text: bytes) -> None:
        self.file = file
        self.lines = text.split(b"\n")
        self.found: Positions = {}
        self.array_length: dict[KeyPath, int] = {}

    def place(self, node: tree_sitter.Node) -> Place:
        row, column = node.start_point
        prefix = self.lines[row][:column]
        return Place(self.file, row + 1, len(prefix.decode("utf-8", "replace")) + 1)

    def key_parts(self, node: tree_sitter.Node) -> Iterator[tuple[str, tree_sitter.Node]]:
        if node.type == "dotted_key":
            for child in node.named_children:
                yield from self.key_parts(child)
            return
        raw = (node.text or b"").decode("utf-8")
        if node.type == "quoted_key":
            # Quoted keys may hold escapes: let the TOML parser itself undo them.
            raw = next(iter(tomllib.loads(f"{raw} = 0")))
        yield raw, node

    def current_element(self, path: KeyPath) -> KeyPath:
        """The last element of an array of tables, or the path itself: after [[a]], [a.b] is ('a', 0, 'b')."""
        length = self.array_length.get(path)
        return path if length is None else (*path, length - 1)

    def note(self, path: KeyPath, key: Place, value: Place) -> None:
        self.found.setdefault(path, Entry(key, value))

    def document(self, root: tree_sitter.Node) -> None:
        for child in root.named_children:
            if child.type == "pair":
                self.pair((), child)
            elif child.type in ("table", "table_array_element"):
                self.table(child)

    def table(self, node: tree_sitter.Node) -> None:
        header, *rest = node.named_children
        path: KeyPath = ()
        parts = list(self.key_parts(header))
        for index, (part, key_node) in enumerate(parts):
            last = index == len(parts) - 1
            place = self.place(key_node)
            if last and node.type == "table_array_element":
                array = (*path, part)
                self.note(array, place, place)
                self.array_length[array] = self.array_length.get(array, 0) + 1
                path = (*array, self.array_length[array] - 1)
            else:
                path = self.current_element((*path, part))
            if last:
                # A header names the table exactly: it beats an earlier mention as part of a longer header.
                self.found[path] = Entry(place, place)
            else:
                self.note(path, place, place)
        for child in rest:
            if child.type == "pair":
                self.pair(path, child)

    def pair(self, table: KeyPath, node: tree_sitter.Node) -> None:
        children = [child for child in node.named_children if child.type != "comment"]
        key_node, value_node = children[0], children[-1]
        path = table
        parts = list(self.key_parts(key_node))
        value = self.place(value_node)
        for index, (part, part_node) in enumerate(parts):
            path = (*path, part)
            place = self.place(part_node)
            self.note(path, place, value if index == len(parts) - 1 else place)
        self.value(path, value_node)

    def value(self, path: KeyPath, node: tree_sitter.Node) -> None:
        if node.type == "inline_table":
            for child in node.named_children:
                if child.type == "pair":
                    self.pair(path, child)
        elif node.type == "array":
            items = (child for child in node.named_children if child.type != "comment")
            for index, item in enumerate(items):
                place = self.place(item)
                self.note((*path, index), place, place)
                self.value((*path, index), item)


def find_positions(file: str, text: bytes) -> Positions:
    """Key path -> where it stands, for a TOML text that tomllib accepts. `file` is only copied into the places."""
    walker = _Walker(file, text)
    walker.document(parse_tree(text).root_node)
    return walker.found
