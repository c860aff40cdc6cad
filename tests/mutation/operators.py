"""The small changes that are made of a C source, one at a time: what the syntax tree says is code within a function, and nothing
else. Asserts are left alone, and functions of nothing but asserts: what only a bug can break, no test breaks."""

import re
from typing import NamedTuple

import tree_sitter
import tree_sitter_c

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))

SWAPS = {
    "==": "!=", "!=": "==",
    "<": "<=", "<=": "<", ">": ">=", ">=": ">",
    "&&": "||", "||": "&&",
    "+": "-", "-": "+", "+=": "-=", "-=": "+=", "++": "--", "--": "++",
    "true": "false", "false": "true",
}  # fmt: skip
CONDITIONS = ("if_statement", "while_statement", "do_statement", "for_statement", "conditional_expression")
EFFECTS = ("call_expression", "assignment_expression", "update_expression")

# Macros that stand where the grammar has no place for them.
MACROS = re.compile(rb"\bCLEANUP\(\w+\)|^DEFINE_CLEANUP\(.*\)$", re.MULTILINE)


class Mutant(NamedTuple):
    line: int
    what: str  # for a person
    start: int  # of the bytes that are replaced
    end: int
    text: bytes

    def of(self, source):
        """The source with the change. What follows keeps its lines, since asserts tell theirs."""
        lines = source.count(b"\n", self.start, self.end) - self.text.count(b"\n")
        return source[: self.start] + self.text + b"\n" * lines + source[self.end :]


def mutants(source):
    """All mutants of a source, in its order."""
    tree = PARSER.parse(MACROS.sub(lambda m: b" " * len(m[0]), source))
    found = []
    for node in tree.root_node.children:
        if node.type == "function_definition" and not _is_check(node):
            _walk(node.child_by_field_name("body"), _returns_status(node), found)
    return sorted(found, key=lambda m: (m.start, m.end, m.text))


def _text(node):
    return b" ".join(node.text.split()).decode()


def _is_check(function):
    name = function.child_by_field_name("declarator").child_by_field_name("declarator")
    return _text(function.child_by_field_name("type")) == "void" and re.search("(^|_)check$", _text(name)) is not None


def _returns_status(function):
    is_pointer = function.child_by_field_name("declarator").type == "pointer_declarator"
    return _text(function.child_by_field_name("type")) == "enum status" and not is_pointer


def _is_call_of_check(node):
    return node.type == "call_expression" and re.search("(^|_)(assert|check)$", _text(node.child_by_field_name("function")))


def _walk(node, returns_status, found):
    if node.type == "ERROR" or _is_call_of_check(node):
        return
    for change in (_swap, _negate, _add_one, _delete, _succeed if returns_status else None):
        made = change and change(node)
        if made:
            at, what, text = made
            found.append(Mutant(at.start_point[0] + 1, what, at.start_byte, at.end_byte, text.encode()))
    for child in node.children:
        _walk(child, returns_status, found)


# Each returns the node that is replaced, what is done for a person, and the new text; or None.


def _swap(node):
    if node.type in ("binary_expression", "assignment_expression", "update_expression"):
        node = node.child_by_field_name("operator")
    elif node.type not in ("true", "false"):
        return None
    old = _text(node)
    return (node, f"{old} becomes {SWAPS[old]}", SWAPS[old]) if old in SWAPS else None


def _negate(node):
    condition = node.child_by_field_name("condition") if node.type in CONDITIONS else None
    if condition is None:
        return None
    return condition, f"not: {_text(condition)}", f"(!({condition.text.decode()}))"


def _add_one(node):
    is_label = node.parent.type == "case_statement" and node.parent.child_by_field_name("value") == node
    if node.type != "number_literal" or is_label:
        return None
    return node, f"{_text(node)} becomes {_text(node)} + 1", f"({_text(node)} + 1)"


def _delete(node):
    if node.type != "expression_statement":
        return None
    expression = node.named_children[0] if node.named_children else None
    while expression is not None and expression.type == "cast_expression":
        expression = expression.child_by_field_name("value")
    if expression is None or expression.type not in EFFECTS or _is_call_of_check(expression):
        return None
    return node, f"deleted: {_text(node)}", ";"


def _succeed(node):
    value = node.named_children[0] if node.type == "return_statement" and node.named_children else None
    if value is None or _text(value) == "STATUS_OK":
        return None
    return value, f"returns STATUS_OK, not {_text(value)}", "STATUS_OK"
