#!/usr/bin/env python3
"""Finds import cycles between the source files of a crate.

    import-circles.py SOURCE_DIRECTORY...

Reads `use` declarations and paths that begin with `crate` or `super`, resolves what a module
re-exports, and leaves out tests. Prints each cycle and exits with 1 if there is one.
"""

import re
import sys
from pathlib import Path

PATH = re.compile(r"\b(?:crate|super)(?:::\w+)+")
USE = re.compile(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);")
TESTS = re.compile(r"#\[cfg\(test\)\]\s*(?:#!?\[[^\]]*\]\s*)*mod \w+ \{")


def modules(root):
    """The files of a crate, by module path."""
    found = {}
    for file in sorted(root.rglob("*.rs")):
        parts = file.relative_to(root).with_suffix("").parts
        if parts[-1] in ("lib", "main", "mod"):
            parts = parts[:-1]
        if "tests" not in parts:
            found[parts] = code(file.read_text())
    return found


def code(text):
    """The text without comments, texts and tests."""
    text = re.sub(r"//.*", "", text)
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    tests = TESTS.search(text)
    return text[: tests.start()] if tests else text


def leaves(tree, prefix=""):
    """The paths that a use tree names."""
    head, brace, rest = tree.partition("{")
    if not brace:
        yield prefix + tree.split(" as ")[0].strip()
        return
    depth, item = 0, ""
    for letter in rest[: rest.rfind("}")] + ",":
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            if item.strip():
                yield from leaves(item.strip(), prefix + head.strip())
            item = ""
        else:
            item += letter


def absolute(path, module):
    """A path as the crate's root sees it; none where it leads out of the crate."""
    parts = path.split("::")
    if parts[0] == "crate":
        return tuple(parts[1:])
    if parts[0] not in ("super", "self"):
        return None
    while parts and parts[0] in ("super", "self"):
        module = module[:-1] if parts.pop(0) == "super" else module
    return module + tuple(parts)


def imports(root):
    """Which module imports from which others."""
    files = modules(root)
    exported = {}
    for module, text in files.items():
        for public, tree in USE.findall(text):
            for path in leaves(tree) if public else ():
                place = absolute(path, module) or module + tuple(path.split("::"))
                exported[module + place[-1:]] = place

    def owner(path, depth=0):
        if path in exported and depth < 8:
            return owner(exported[path], depth + 1)
        while path and path not in files:
            path = path[:-1]
            if path in exported and depth < 8:
                return owner(exported[path], depth + 1)
        return path

    graph = {}
    for module, text in files.items():
        own = [path for public, tree in USE.findall(text) if not public for path in leaves(tree)]
        paths = own + PATH.findall(USE.sub("", text))
        places = (absolute(path, module) for path in paths)
        graph[module] = {owner(place) for place in places if place} - {module, ()}
    return graph


def circles(graph):
    """Groups of modules that reach one another (Tarjan)."""
    number, low, stack, found = {}, {}, [], []

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in number:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == number[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in number:
            visit(node)
    return found


def main():
    failed = False
    for root in map(Path, sys.argv[1:]):
        graph = imports(root)
        for group in circles(graph):
            failed = True
            print(f"{root}: import circle:")
            for module in group:
                others = sorted("::".join(other) for other in graph[module] if other in group)
                print(f"  {'::'.join(module)} -> {', '.join(others)}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
