"""A pickle looked through without making anything of it.

`torch.load(weights_only=True)` calls no unlisted code, but it will build what takes all memory,
or tuples so deep that hashing them overflows the C stack. Here its opcodes are followed with
stand-ins that know sizes and depths only, and the limits are held before torch sees the file.
"""

from __future__ import annotations

import struct
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING  # as torch reads Python 2's names
from collections.abc import Iterator
from mmap import mmap

MAX_OPCODES = 1_000_000  # published training files have 0.1 million at most
MAX_DEPTH = 100
MAX_LONG_INTEGERS = 1000  # beyond 64 bits; many that share a hash would hold a dictionary up

DICT, LIST, OBJECT = "dict", "list", "object"


class PickleError(ValueError):
    """The pickle is not one that torch writes, or goes beyond the limits."""


class _Item:
    """What is known of a value: nesting depth, size, its name if a global, its text if short."""

    __slots__ = ("depth", "name", "parts", "size", "text")

    def __init__(self, depth: int = 0, size: int = 0, name: str = "", text: str = "") -> None:
        self.depth, self.size, self.name, self.text = depth, size, name, text
        self.parts: tuple[_Item, ...] = ()


_PLAIN = _Item()
_FIXED = {  # opcodes of a value without parts, and the bytes that follow
    **{ord(op): 0 for op in "N\x88\x89"},
    **{ord("J"): 4, ord("K"): 1, ord("M"): 2, ord("G"): 8},
}
_EMPTY = frozenset(map(ord, ")]}\x8f"))
_FEW = {0x85: 1, 0x86: 2, 0x87: 3}  # TUPLE1, TUPLE2, TUPLE3


def inspect_pickle(data: bytes | mmap, start: int = 0) -> tuple[int, dict[str, str]]:
    """Where the pickle at `start` ends, and the globals it names: DICT, LIST or OBJECT.

    A global is a DICT or LIST if what is made of it is filled by keys or appended to.

    Raises
    ------
    PickleError
        Malformed, with an opcode that torch never writes, or beyond the limits.
    """
    walk = _Walk(data, start)
    try:
        walk.run()
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise error if isinstance(error, PickleError) else PickleError("it is damaged") from None
    return walk.at, walk.kinds


def pickles(data: bytes | mmap, count: int) -> Iterator[dict[str, str]]:
    """The globals of each of `count` pickles that stand one behind another."""
    at = 0
    for _ in range(count):
        at, kinds = inspect_pickle(data, at)
        yield kinds


class _Walk:
    def __init__(self, data: bytes | mmap, start: int) -> None:
        self.data, self.at = data, start
        self.stack: list[_Item] = []
        self.marks: list[list[_Item]] = []
        self.memo: dict[int, _Item] = {}
        self.kinds: dict[str, str] = {}
        self.work = 0  # elements and characters that calls go through
        self.long_integers = 0

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) < count:
            raise PickleError("it is cut off")
        self.at += count
        return piece

    def line(self) -> str:
        end = self.data.find(b"\n", self.at, self.at + 1000)
        if end < 0:
            raise PickleError("it is damaged")
        return self.take(end + 1 - self.at)[:-1].decode()

    def run(self) -> None:
        for _ in range(MAX_OPCODES):
            op = self.take(1)[0]
            if op == 0x2E:  # STOP
                self.stack.pop()
                return
            self.step(op)
        raise PickleError(f"it has more than {MAX_OPCODES} parts")

    def step(self, op: int) -> None:
        stack = self.stack
        if op in (0x71, 0x72):  # BINPUT, LONG_BINPUT
            self.memo[int.from_bytes(self.take(1 if op == 0x71 else 4), "little")] = stack[-1]
        elif op in (0x68, 0x6A):  # BINGET, LONG_BINGET
            stack.append(self.memo[int.from_bytes(self.take(1 if op == 0x68 else 4), "little")])
        elif op in _FIXED:
            self.take(_FIXED[op])
            stack.append(_PLAIN)
        elif op in (0x58, 0x55):  # BINUNICODE, SHORT_BINSTRING
            size = int.from_bytes(self.take(4 if op == 0x58 else 1), "little")
            if size > len(self.data) - self.at:
                raise PickleError("it is cut off")
            text = self.data[self.at : self.at + size].decode("latin1") if size <= 16 else ""
            self.at += size
            stack.append(_Item(0, size, text=text))
        elif op in _EMPTY:
            stack.append(_Item(1))
        elif op in _FEW:
            parts = [stack.pop() for _ in range(_FEW[op])][::-1]
            stack.append(_tuple_of(parts))
        elif op == 0x28:  # MARK
            self.marks.append(stack)
            self.stack = []
        elif op == 0x74:  # TUPLE
            self.stack = self.marks.pop()
            self.stack.append(_tuple_of(stack))
        elif op in (0x65, 0x75):  # APPENDS, SETITEMS
            self.stack = self.marks.pop()
            self.put(stack, DICT if op == 0x75 else LIST)
        elif op == 0x61:  # APPEND
            self.put([stack.pop()], LIST)
        elif op == 0x73:  # SETITEM
            self.put([stack.pop(), stack.pop()], DICT)
        elif op == 0x63:  # GLOBAL
            stack.append(_Item(name=self.global_name()))
        elif op in (0x52, 0x81):  # REDUCE, NEWOBJ
            arguments, function = stack.pop(), stack.pop()
            self.call(function, arguments)
            stack.append(_Item(arguments.depth + 1, arguments.size, function.name))
        elif op == 0x62:  # BUILD
            self.count_work(stack.pop())
        elif op == 0x51:  # BINPERSID
            stack.pop()
            stack.append(_PLAIN)
        elif op == 0x8A:  # LONG1
            size = self.take(1)[0]
            self.take(size)
            self.long_integers += size > 8
            if self.long_integers > MAX_LONG_INTEGERS:
                raise PickleError(f"it has more than {MAX_LONG_INTEGERS} integers beyond 64 bits")
            stack.append(_PLAIN)
        elif op == 0x80:  # PROTO
            self.take(1)
        else:
            raise PickleError(f"opcode {op:#x} is in it, which PyTorch does not write")

    def global_name(self) -> str:
        module, name = self.line(), self.line()
        if (module, name) in NAME_MAPPING:
            module, name = NAME_MAPPING[module, name]
        else:
            module = IMPORT_MAPPING.get(module, module)
        self.kinds.setdefault(f"{module}.{name}", OBJECT)
        return f"{module}.{name}"

    def put(self, items: list[_Item], kind: str) -> None:
        """Items into the container on top of the stack."""
        target = self.stack[-1]
        if target is _PLAIN:
            raise PickleError("it is damaged")
        if target.name:
            self.kinds[target.name] = kind
        target.size += len(items)
        target.depth = max(target.depth, _depth_of(items))

    def call(self, function: _Item, arguments: _Item) -> None:
        self.count_work(arguments)
        for part in arguments.parts:
            self.count_work(part)
        # Some encodings take time that grows with the square of the text.
        encoding = arguments.parts[1].text if len(arguments.parts) == 2 else ""
        if function.name == "_codecs.encode" and encoding not in ("latin1", "latin-1"):
            raise PickleError("it encodes text in another way than latin1")

    def count_work(self, item: _Item) -> None:
        self.work += item.size
        if self.work > MAX_OPCODES + 2 * len(self.data):
            raise PickleError("it uses the same parts over and over")


def _tuple_of(parts: list[_Item]) -> _Item:
    made = _Item(_depth_of(parts), len(parts))
    if len(parts) <= 8:
        made.parts = tuple(parts)
    return made


def _depth_of(parts: list[_Item]) -> int:
    depth = 1 + max((part.depth for part in parts), default=0)
    if depth > MAX_DEPTH:
        raise PickleError(f"its parts lie more than {MAX_DEPTH} deep")
    return depth
