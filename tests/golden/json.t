# cmd: run - --json
target generic
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
split C.n 4 -> no ni
steps
check
# expect
{
  "ok": true,
  "command": "run",
  "exact": true,
  "compared": 512,
  "different": 0,
  "patterns": 8,
  "every_element": true,
  "results": [
    {
      "command": "target",
      "line": 2,
      "ok": true
    },
    {
      "command": "input",
      "line": 3,
      "ok": true
    },
    {
      "command": "weight",
      "line": 4,
      "ok": true
    },
    {
      "command": "C",
      "line": 5,
      "ok": true
    },
    {
      "command": "split",
      "line": 6,
      "ok": true
    },
    {
      "command": "steps",
      "line": 7,
      "steps": [
        "split C.n 4 -> no ni"
      ],
      "ok": true,
      "text": "  1  split C.n 4 -> no ni\n"
    },
    {
      "command": "check",
      "line": 8,
      "exact": true,
      "compared": 512,
      "different": 0,
      "patterns": 8,
      "every_element": true,
      "ok": true,
      "text": "exact: 512 outputs under 8 patterns of data, every element\n"
    }
  ],
  "notes": []
}
