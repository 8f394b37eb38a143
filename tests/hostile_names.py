"""Names that somebody made up to be run, or to break out of where they are shown."""

from __future__ import annotations

HOSTILE = {
    "a script": "</script><script>alert(1)</script>",
    "a handler": "\"' onmouseover='alert(1)' x=\"",
    "a picture that runs": "<img src=x onerror=alert(1)>",
    "a link of a script": "javascript:alert(1)",
    "a link": "https://evil.example/?a=b&c",
    "markdown": "[Acme](javascript:alert(1)) ![](//evil.example/p.png) | **b** `c`",
    "a heading": "\n\n# Acme\n\n- one",
    "a template": "{{ 7 * 7 }}{% include 'page.css' %}",
    "rich": "[bold red]Acme[/]",
    "an escape of a terminal": "Acme\x1b[2J\x1b]0;owned\x07",
    "another": "Acme\x9b31m\x08\x7f",
    "turned around": "Acme \u202egpj.exe\u2066",
    "a formula": '=HYPERLINK("https://evil.example";"Acme")',
    "a sum": "+1+1",
    "a difference": "-1+1",
    "an at": "@SUM(1)",
    "a formula after a tab": "\t=1+1",
    "a cue": "x\n\n00:00:00.000 --> 99:00:00.000\nEvil",
    "a cue's tag": "<c.red>Acme</c> {\\an8}",
    "a locator": "Acme\n* LOC: 00:00:00:00 RED     Evil |D:9",
    "an entity": "&lt;b&gt; &#x3c; ]]> <!-- x",
}
