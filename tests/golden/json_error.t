# cmd: run - --json
target generic
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
split C.n 4 -> no ni
split C.n 4
# expect
{
  "ok": false,
  "command": "run",
  "error": {
    "code": "no-axis",
    "message": "split: no loop of stage C named `n`",
    "hint": "did you mean `m`? there are: m no ni k",
    "file": "<stdin>",
    "line": 7,
    "column": 7,
    "step": 2,
    "detail": "func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {\n  for m in 0..8 {\n    for no in 0..2 {\n      for ni in 0..4 {\n        C[m, no * 4 + ni] = 0\n        for k in 0..16 {\n          C[m, no * 4 + ni] = C[m, no * 4 + ni] + i32(A[m, k]) * i32(W[no * 4 + ni, k])\n        }\n      }\n    }\n  }\n}\n"
  },
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
      "command": "split",
      "line": 7,
      "ok": false,
      "error": {
        "code": "no-axis",
        "message": "split: no loop of stage C named `n`",
        "hint": "did you mean `m`? there are: m no ni k",
        "file": "<stdin>",
        "line": 7,
        "column": 7,
        "step": 2,
        "detail": "func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {\n  for m in 0..8 {\n    for no in 0..2 {\n      for ni in 0..4 {\n        C[m, no * 4 + ni] = 0\n        for k in 0..16 {\n          C[m, no * 4 + ni] = C[m, no * 4 + ni] + i32(A[m, k]) * i32(W[no * 4 + ni, k])\n        }\n      }\n    }\n  }\n}\n"
      }
    }
  ],
  "notes": []
}
exit 1
