"""Manual pages: etcd's from its template and its own list of flags; the others write theirs themselves, or give their
help."""

import re
import subprocess
import tempfile
import time
from pathlib import Path

from . import recipe


def pages(directory, names, moment):
    """Page's name -> roff text, for the programs `names` in `directory`."""
    date = time.strftime("%Y-%m-%d", time.gmtime(moment))
    found = {}
    for name in names:
        program = directory / name
        if name == "etcd":
            template = (recipe.CONTAINER / "debian/etcd.1").read_text()
            body = flags(output(program, "--help"))
            found[name] = template.replace("@FLAGS@", body).replace("@DATE@", date).replace("@VERSION@", recipe.VERSION)
        else:
            found.update(own_pages(program) or {name: command_page(program, name, date)})
    return found


def own_pages(program):
    """What the program writes about itself and its commands; nothing where it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(program), "__manual", folder], capture_output=True, timeout=60)
        return {path.stem: path.read_text() for path in sorted(Path(folder).glob("*.1"))}


def output(program, *arguments):
    run = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=60)
    return run.stdout or run.stderr


def escaped(text):
    """Text as roff shows it unchanged."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def flags(help_text):
    """The flags of `etcd --help`: groups, flags with their defaults, explanations."""
    lines = []
    for line in help_text.splitlines():
        if match := re.match(r"  --(\S+) '(.*)'$", line):
            name, default = match.groups()
            lines += [".TP", f".BR \\-\\-{escaped(name)}" + (f" \" '{escaped(default)}'\"" if default else "")]
        elif line.startswith("    "):
            lines.append(escaped(line.strip()))
        elif re.match(r"\S.*:$", line) and not line.startswith("CAUTION"):
            lines.append(f".SS {escaped(line[:-1])}")
        elif line.strip():
            lines += [".PP", escaped(line.strip())]
    return "\n".join(lines)


def command_page(program, name, date):
    """A page around the program's help, and the help of each of its commands."""
    top = output(program, "--help")
    lines = [
        f'.TH {name.upper()} 1 "{date}" "swift-etcd {recipe.VERSION}" "User Commands"', ".SH NAME",
        f"{name} \\- " + ("command line client of etcd" if name == "etcdctl" else "care for etcd's files, without a server"),
        ".SH SYNOPSIS", f".B {name}", ".I command", ".RI [ flags ]", ".SH OVERVIEW", *literal(top), ".SH COMMANDS"]
    for words in commands(top):
        lines += [f".SS {escaped(words)}", *literal(output(program, *words.split(), "--help"))]
    lines += [".SH SEE ALSO", ".BR etcd (1)"]
    return "\n".join(lines) + "\n"


def commands(help_text):
    """The commands that the help lists, in sections such as "Key-value commands:"."""
    found, inside = [], False
    for line in help_text.splitlines():
        if not line.startswith(" "):
            inside = line.lower().endswith("commands:")
        elif inside and (match := re.match(r"  ([a-z-]+) ", line)):
            found.append(match.group(1))
    return found


def literal(text):
    return [".nf", *[escaped(line) for line in text.strip().splitlines()], ".fi"]
