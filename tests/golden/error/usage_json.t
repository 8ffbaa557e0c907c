# cmd: frob --json
# expect
{
  "ok": false,
  "command": "qjit",
  "error": {
    "code": "usage",
    "message": "there is no subcommand `frob`",
    "hint": "see `qjit help`",
    "file": null,
    "line": null,
    "column": null,
    "step": null,
    "detail": null
  },
  "results": [],
  "notes": []
}
exit 2
