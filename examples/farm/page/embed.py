#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
embed.py - put the page's files into a C file, so that the server needs none of them where it runs.

  embed.py OUTPUT FILE...
"""
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

out = ['/* Made by embed.py. */\n#include "assets.h"\n\n']
table = []
for n, name in enumerate(sys.argv[2:]):
    path = pathlib.Path(name)
    data = path.read_bytes()
    out.append(f"static const unsigned char file{n}[] = {{\n")
    for i in range(0, len(data), 24):
        out.append("\t" + ",".join(str(b) for b in data[i:i + 24]) + ",\n")
    out.append("\t0\n};\n\n")
    url = "/" if path.name == "index.html" else "/" + path.name
    table.append(f'\t{{ "{url}", "{TYPES[path.suffix]}", file{n}, {len(data)} }},\n')
out += ["const struct asset assets[] = {\n", *table, "\t{ 0, 0, 0, 0 },\n};\n"]
pathlib.Path(sys.argv[1]).write_text("".join(out))
