"""The reference page: the OpenAPI document as one HTML file. It loads no script and no other file."""

import json
from html import escape

from runtime.web.openapi import JsonDocument

STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin: 2.5rem 0 .5rem; text-transform: capitalize; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; }
code, pre { font: .9em ui-monospace, monospace; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line); border-radius: .3rem; }
.method { display: inline-block; min-width: 4rem; font-weight: 600; }
.dim { color: var(--dim); }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; }
td, th { border-bottom: 1px solid var(--line); }
"""


def reference_page(document: JsonDocument, root_path: str = "") -> str:
    """The page as HTML: every operation by family, with its parameters or body, and its answer. `root_path`
    is the path under which a proxy shows the gateway, such as `/llm`."""
    families: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            families.setdefault(operation["tags"][0], []).append(
                _operation(path, method, operation, document)
            )
    sections = "".join(f"<h2>{escape(name)}</h2>{''.join(parts)}" for name, parts in families.items())
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{STYLE}</style></head><body>"
        f'<h1>{escape(info["title"])} <span class="dim">{escape(info["version"])}</span></h1>'
        f"<p>{escape(info['description'])} "
        "Send <code>Authorization: Bearer sk-...</code>. "
        f'<a href="{escape(root_path)}/openapi.json">OpenAPI document</a></p>'
        f"<main>{sections}</main></body></html>"
    )


def _operation(path: str, method: str, operation: JsonDocument, document: JsonDocument) -> str:
    head = (
        f'<summary><span class="method">{method.upper()}</span> <code>{escape(path)}</code> '
        f'<span class="dim">{escape(operation["summary"])}</span></summary>'
    )
    body = _table("Parameters", operation.get("parameters", []))
    if "requestBody" in operation:
        body += _schema("Body", operation["requestBody"]["content"]["application/json"]["schema"], document)
    for kind, content in operation["responses"]["200"]["content"].items():
        body += _schema(f"Answer, {kind}", content["schema"], document)
    return f"<details>{head}{body}</details>"


def _table(title: str, parameters: list[JsonDocument]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(row['name'])}</code></td><td>{escape(row['in'])}</td>"
        f"<td><code>{escape(json.dumps(row['schema']))}</code></td></tr>"
        for row in parameters
    )
    return f"<h4>{title}</h4><table><tr><th>name</th><th>in</th><th>type</th></tr>{rows}</table>"


def _schema(title: str, schema: JsonDocument, document: JsonDocument) -> str:
    """The schema as HTML. Its own component is written out; the components that this one refers to stay
    names."""
    name = schema.get("$ref", "").rpartition("/")[2]
    shown = document["components"]["schemas"].get(name, schema)
    return f"<h4>{escape(title)}</h4><pre>{escape(json.dumps(shown, indent=1))}</pre>"
