"""A double of PyKdump's C module `crash`: a made-up guest that fails as the real one does.

Only what was measured of PyKdump 3.5.3 in crash 8.0.2 is here.
"""
import ast
import os
import re
from typing import Any, Dict, List, Optional

Crash_run = "8.0.2"
version = "3.2.1"
KVADDR, UVADDR, PHYSADDR = 1, 2, 4


class error(Exception):  # noqa: N801
    """What every call raises."""


with open(os.environ["DOUBLE_WORLD"]) as _file:
    world: Dict[str, Any] = ast.literal_eval(_file.read())

loaded: Dict[str, str] = {}
"""Modules whose debug information is loaded, with the file."""
programs: Dict[str, Any] = {}
aliases: Dict[str, str] = {}
typeinfo_calls: List[str] = []


def readmem(address: int, size: int, memory: int = KVADDR) -> bytes:
    if address == 0:
        raise IndexError("readPtr NULL pointer")
    for start, raw in world["memory"].items():
        if memory != UVADDR and size > 0 and start <= address and address + size <= start + len(raw):
            return bytes(raw[address - start:address - start + size])
    raise error(f"readmem error at addr {address:#x}, reading {size} bytes")


def sym2addr(name: str) -> int:
    return int(world["symbols"].get(name, 0))


def addr2sym(address: int) -> Optional[str]:
    return next((name for name, at in world["symbols"].items() if at == address), None)


def gdb_typeinfo(name: str) -> Dict[str, Any]:
    """Of a type, or of `(*(TYPE *) 0).PATH`: there a struct comes with its members though it has a name."""
    typeinfo_calls.append(name)
    expression = re.fullmatch(r"\(\*\((.*) \*\) 0\)\.(.*)", name)
    name, path = expression.groups() if expression else (name, "")
    hidden = {one for module, types in world["types_of"].items() if module not in loaded for one in types}
    if name in hidden or name not in world["types"]:
        raise error("PyKdump/GDB error")
    size, members = world["types"][name]
    info = {"codetype": 3, "typelength": size, "basetype": name, "body": _body(members, "", 0)}
    named = world.get("named", {}).get(name, {})
    at = ""
    for member in filter(None, path.split(".")):
        found = next((one for one in info.get("body", ()) if one["fname"] == member), None)
        if found is None:
            raise error("PyKdump/GDB error")
        info, at = {key: value for key, value in found.items() if key not in ("fname", "bitoffset")}, at + member + "."
    if at.rstrip(".") in named:
        info["basetype"] = named[at.rstrip(".")]
    _cut(info, at, named)
    return info


def _cut(info: Dict[str, Any], at: str, named: Dict[str, str]) -> None:
    """A member that is a struct with a name comes without its members."""
    for one in info.get("body", ()):
        path = at + one["fname"]
        if path in named:
            one["basetype"] = named[path]
            del one["body"]
        else:
            _cut(one, path + ".", named)


def _body(members: Dict[str, Any], inside: str, base: int) -> List[Dict[str, Any]]:
    """Members by dotted paths as gdb nests them; what has no type of its own name is an unnamed struct."""
    names = list(dict.fromkeys(path[len(inside):].split(".")[0] for path in members if path.startswith(inside)))
    body = []
    for name in names:
        path = inside + name
        below = [place for inner, place in members.items() if inner.startswith(path + ".")]
        offset, size = members.get(path) or (min(place[0] for place in below), 0)
        one = {"fname": name, "bitoffset": (offset - base) * 8, "typelength": size, "codetype": 8,
               "basetype": "unsigned int"}
        if below:
            one.update(codetype=3, basetype="struct", body=_body(members, path + ".", offset),
                       typelength=size or max(sum(place) for place in below) - offset)
        body.append(one)
    return body


def register_epython_prog(name: str, short: str, synopsis: str, text: str) -> bool:
    if not all(isinstance(word, str) for word in (name, short, synopsis, text)):
        raise TypeError("4 strings")
    if name in programs:
        return False
    programs[name] = (short, synopsis, text)
    return True


def exec_crash_command(line: str) -> str:
    """`mod`, `mod -s`, `alias`, `set zero_excluded`, `vtop`: what the project uses."""
    words = line.replace('"', "").split()
    if words == ["set", "zero_excluded"]:
        return f"zero_excluded: {os.environ.get('DOUBLE_ZERO_EXCLUDED', 'off')}\n"
    if words[0] == "vtop":
        return f"VIRTUAL           PHYSICAL        \n{words[1]}  {int(words[1], 16) - world['page_offset']:x}\n\n"
    if words == ["mod"]:
        lines = [f"{at:x}  {name}  {at + 64:x}  16384  {loaded.get(name, '(not loaded)  [CONFIG_KALLSYMS]')}\n"
                 for at, name in enumerate(world["modules"], 0xffffffffc0314240)]
        if not lines:
            _fail("mod: cannot access vmalloc'd module memory\n")
        return "".join(["     MODULE       NAME                  BASE          SIZE  OBJECT FILE\n", *lines])
    if words[:2] == ["mod", "-s"] and len(words) == 4:
        name, path = words[2:]
        if name not in world["modules"]:
            _fail("Usage:\n  mod -s module [objfile]\n")
        with open(path, "rb") as file:
            if file.read(4) != b"\x7fELF":
                _fail(f"mod: {path}: not an ELF format object file\n")
        loaded[name] = path
        return f"     MODULE       NAME  OBJECT FILE\n {name} {path}\n"
    if words[:1] == ["alias"]:
        aliases[words[1]] = " ".join(words[2:])
        return f"ORIGIN   ALIAS    COMMAND\nruntime  {words[1]}  {aliases[words[1]]}\n"
    return f"crash: command not found: {words[0]}\n"


def _fail(text: str) -> str:
    raise error(text)
