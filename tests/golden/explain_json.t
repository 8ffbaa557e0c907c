# cmd: run --json -
target generic
input  A[m:4, k:4] : u8
weight W[n:4, k:4] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
explain
# expect
{
  "ok": true,
  "command": "run",
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
      "command": "explain",
      "line": 6,
      "rows": [
        {
          "stage": "C",
          "kind": "loops",
          "name": null,
          "taken": true,
          "fits": true,
          "where": null,
          "mac_per_cycle": null,
          "cycles": null,
          "why": null,
          "unlock": null
        },
        {
          "stage": "C",
          "kind": "instruction",
          "name": "dot4_u8i8_generic",
          "taken": false,
          "fits": true,
          "where": "C.k",
          "mac_per_cycle": #,
          "cycles": null,
          "why": null,
          "unlock": null
        },
        {
          "stage": "C",
          "kind": "instruction",
          "name": "dot4_i8i8_generic",
          "taken": false,
          "fits": false,
          "where": null,
          "mac_per_cycle": #,
          "cycles": null,
          "why": "it takes i8 activations, A is u8 in 0..255: needs the -128 form",
          "unlock": null
        },
        {
          "stage": "C",
          "kind": "template",
          "name": "stem",
          "taken": false,
          "fits": false,
          "where": null,
          "mac_per_cycle": null,
          "cycles": null,
          "why": "its input channels fill groups of 4, or are 16 and more",
          "unlock": null
        },
        {
          "stage": "C",
          "kind": "template",
          "name": "depthwise",
          "taken": false,
          "fits": false,
          "where": null,
          "mac_per_cycle": null,
          "cycles": null,
          "why": "it sums over input channels too",
          "unlock": null
        },
        {
          "stage": "C",
          "kind": "template",
          "name": "conv2d",
          "taken": false,
          "fits": false,
          "where": null,
          "mac_per_cycle": null,
          "cycles": null,
          "why": "it has no window and one axis of pixels: a dense layer",
          "unlock": null
        },
        {
          "stage": "C",
          "kind": "template",
          "name": "dense",
          "taken": false,
          "fits": false,
          "where": null,
          "mac_per_cycle": null,
          "cycles": null,
          "why": "no instruction of this target serves",
          "unlock": null
        },
        {
          "stage": "C",
          "kind": "template",
          "name": "plain",
          "taken": true,
          "fits": true,
          "where": "plain loops",
          "mac_per_cycle": null,
          "cycles": 64,
          "why": null,
          "unlock": null
        }
      ],
      "ok": true,
 "text": "stage C: plain loops, no instruction chosen\n dot4_u8i8_generic fits at C.k (about # MAC/cycle)\n dot4_i8i8_generic no: it takes i8 activations, A is u8 in 0..255: needs the -128 form\ntemplates for C\n stem no: its input channels fill groups of 4, or are 16 and more\n depthwise no: it sums over input channels too\n conv2d no: it has no window and one axis of pixels: a dense layer\n dense no: no instruction of this target serves\n plain chosen: plain loops, about 6.4e-05 Mcycles\n"
    }
  ],
  "notes": []
}
