#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Section 3 of the manual, made of qjit.h: man3.py HEADER DIRECTORY.

The header's first comment becomes qjit.h(3). Each part that a `/* ---- name ---- */` begins becomes a page with its
comments and declarations in their order, found under the name of each of its functions. In a comment, lines indented
by four blanks more are examples; everything else is filled.
"""
import os
import re
import sys

DATE = "2026-11-21"
GENERAL = """Errors, ownership, threads and units are the same for all functions:
\\fBqjit.h\\fR(3) says them once.
Link with what \\fBpkg\\-config \\-\\-cflags \\-\\-libs qjit\\fR prints."""


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def filled(text):
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > 70:
            lines.append(line)
            line = word
        else:
            line += (" " if line else "") + word
    return roff("\n".join(lines + [line]))


def verbatim(lines):
    return ".PP\n.RS 4\n.nf\n" + "\n".join(roff(l) if l else "\\&" for l in lines) + "\n.fi\n.RE"


def comment(text):
    """A comment's lines without its marks, as paragraphs and examples."""
    text = re.sub(r"^/\*+ ?", "", text)
    lines = [re.sub(r"^\s*\* ?", "", l).rstrip() for l in re.sub(r"\s*\*/$", "", text).split("\n")]
    out, block, example = [], [], False

    def flush():
        while block and not block[-1]:
            block.pop()
        if block:
            out.append(verbatim([l[4:] for l in block]) if example else ".PP\n" + filled(" ".join(block)))
        block.clear()

    for l in lines:
        now = l.startswith("    ") or (example and not l)
        if now != example or (not l and not example):
            flush()
            example = now
        if l or example:
            block.append(l)
    flush()
    return "\n".join(out)


def page(name, functions, title, body, version):
    head = [f".\\\" SPDX-License-Identifier: Apache-2.0, made of qjit.h",
            f".TH {name.upper()} 3 {DATE} \"qjit {version}\" \"qjit manual\"",
            ".SH NAME", filled((", ".join(functions) if functions else name) + " - " + title)]
    return "\n".join(head + [".SH SYNOPSIS", ".B #include <qjit.h>", ".SH DESCRIPTION", body.replace(".PP\n", "", 1)]) + "\n"


def main():
    header, where = sys.argv[1:]
    text = open(header, encoding="utf-8").read()
    version = ".".join(re.search(rf"#define QJ_VERSION_{w} (\d+)", text).group(1) for w in ("MAJOR", "MINOR", "PATCH"))
    os.makedirs(where, exist_ok=True)
    for old in os.listdir(where):
        os.unlink(os.path.join(where, old))

    def write(name, content):
        with open(os.path.join(where, name + ".3"), "w", encoding="utf-8") as f:
            f.write(content)

    top = re.search(r"/\* qjit\.h.*?\*/", text, re.S).group(0)
    begin, end = text.index('extern "C" {') + len('extern "C" {'), text.rindex("#ifdef __cplusplus")
    chunks = re.split(r"/\* ---- (.*?) ---- \*/", re.sub(r"(?m)^#.*\n", "", text[begin:end]))
    sections = [("the library", chunks[0])] + list(zip(chunks[1::2], chunks[2::2]))
    index = []
    for title, body in sections:
        functions = re.findall(r"(?m)^QJ_API[^(;]*?\b(qj_\w+)\(", body)
        if not functions:
            continue
        name, out, declared = functions[0], [], ""
        for block in re.split(r"\n\s*\n", body):
            block = block.strip("\n")
            while block.strip():
                m = re.match(r"/\*.*?\*/[ \t]*(?=\n|$)", block, re.S)
                if m:
                    out.append(comment(m.group(0).rstrip()))
                    block = block[m.end():].lstrip("\n")
                    continue
                m = re.search(r"\n(?=/\*)", block)
                code, block = (block[:m.start()], block[m.end():]) if m else (block, "")
                code = re.sub(r"\bQJ_API ", "", code)
                out.append(verbatim(code.rstrip().split("\n")))
        out += [".SH ERRORS, OWNERSHIP, THREADS", GENERAL,
                ".SH SEE ALSO", "\\fBqjit.h\\fR(3), \\fBqjit\\fR(1)"]
        write(name, page(name, functions, title, "\n".join(out), version))
        for f in functions[1:]:
            write(f, f".so man3/{name}.3\n")
        index.append(f".PP\n\\fB{roff(name)}\\fR(3): {roff(title)}\n.RS\n" + filled(", ".join(functions)) + "\n.RE")
    body = comment(top) + "\n.SH PAGES\n" + "\n".join(index).replace(".PP\n", "", 1) + "\n.SH SEE ALSO\n\\fBqjit\\fR(1)"
    write("qjit.h", page("qjit.h", [], "the public interface of libqjit", body, version))


main()
