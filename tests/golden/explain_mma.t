# cmd: run -
target sm_80
input  A[m:64, k:64] : u8
weight W[n:64, k:64] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
cache_write C local -> L
cache_read A shared L -> S
cache_read W local L -> T
split C.m 16 -> mo mi
split C.mi 2 -> g ma
split C.n 8 -> no ni
split C.ni 2 -> t nb
reorder C mo no g t ma nb
bind C.mo blockIdx.x
compute_at L C.t
split L.k 32 -> ko kk
compute_at S L.ko
compute_at T L.ko
split L.m 2 -> i a
split L.n 2 -> j b
reorder L ko i j a b kk
explain
bind C.g threadIdx.y
bind C.t threadIdx.x
explain
set_scope T shared
explain
# expect
stage L: plain loops, no instruction chosen
  dot4_i8i8_dp4a             no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  dot4_u8i8_dp4a             no: it covers reduce k 0..4, the loops are reduce kk 0..32 (tried at kk) -> split and reorder the loops and the layout to its axes, as `template` does
  dot4_i8u8_dp4a             no: it takes u8 weights, W is i8 in -128..127
  dot4_u8u8_dp4a             no: it takes u8 weights, W is i8 in -128..127
  mma_m8n8k16_i8i8           no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  mma_m8n8k16_u8i8           no: it covers b 0..2, reduce k 0..16, the loops are b 0..2, reduce kk 0..32 (tried at b) -> split and reorder the loops and the layout to its axes, as `template` does
  mma_m8n8k16_i8u8           no: it takes u8 weights, W is i8 in -128..127
  mma_m8n8k16_u8u8           no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k16_i8i8          no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  mma_m16n8k16_u8i8          no: it covers a 0..2, b 0..2, reduce k 0..16, the loops are a 0..2, b 0..2, reduce kk 0..32 (tried at a) -> split and reorder the loops and the layout to its axes, as `template` does
  mma_m16n8k16_i8u8          no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k16_u8u8          no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k32_i8i8          no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  mma_m16n8k32_u8i8          no: 32 threads execute it together, the block has 1 (tried at a) -> split and reorder the loops and the layout to its axes, as `template` does
  mma_m16n8k32_i8u8          no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k32_u8u8          no: it takes u8 weights, W is i8 in -128..127
  wgmma_m64n8k32_i8i8        no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n16k32_i8i8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n32k32_i8i8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n64k32_i8i8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n128k32_i8i8      no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n8k32_u8u8        no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n16k32_u8u8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n32k32_u8u8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n64k32_u8u8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n128k32_u8u8      no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n8k32_u8i8        no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n16k32_u8i8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n32k32_u8i8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n64k32_u8i8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n128k32_u8i8      no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n8k32_i8u8        no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n16k32_i8u8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n32k32_i8u8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n64k32_i8u8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n128k32_i8u8      no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
templates for C
  gpu      chosen: mma_m16n8k32_u8i8 mr=2 nr=4 rows=8 cols=4 step=32 async, about 0.0012 Mcycles
           next: mma_m16n8k16_u8i8 mr=2 nr=4 rows=8 cols=4 step=32 async, about 0.0012 Mcycles; slower by the model
           next: mma_m16n8k32_u8i8 mr=2 nr=4 rows=8 cols=8 step=32 async, about 0.00121 Mcycles; slower by the model
           next: mma_m8n8k16_u8i8 mr=2 nr=4 rows=8 cols=4 step=32 async, about 0.00121 Mcycles; slower by the model
stage L: plain loops, no instruction chosen
  dot4_i8i8_dp4a             no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  dot4_u8i8_dp4a             no: it covers reduce k 0..4, the loops are reduce kk 0..32 (tried at kk) -> split and reorder the loops and the layout to its axes, as `template` does
  dot4_i8u8_dp4a             no: it takes u8 weights, W is i8 in -128..127
  dot4_u8u8_dp4a             no: it takes u8 weights, W is i8 in -128..127
  mma_m8n8k16_i8i8           no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  mma_m8n8k16_u8i8           no: it covers b 0..2, reduce k 0..16, the loops are b 0..2, reduce kk 0..32 (tried at b) -> split and reorder the loops and the layout to its axes, as `template` does
  mma_m8n8k16_i8u8           no: it takes u8 weights, W is i8 in -128..127
  mma_m8n8k16_u8u8           no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k16_i8i8          no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  mma_m16n8k16_u8i8          no: it covers a 0..2, b 0..2, reduce k 0..16, the loops are a 0..2, b 0..2, reduce kk 0..32 (tried at a) -> split and reorder the loops and the layout to its axes, as `template` does
  mma_m16n8k16_i8u8          no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k16_u8u8          no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k32_i8i8          no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  mma_m16n8k32_u8i8          no: operand B (T) is local, a thread's own, and the 32 lanes of a warp read what others hold: set_scope it shared (tried at a) -> split and reorder the loops and the layout to its axes, as `template` does
  mma_m16n8k32_i8u8          no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k32_u8u8          no: it takes u8 weights, W is i8 in -128..127
  wgmma_m64n8k32_i8i8        no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n16k32_i8i8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n32k32_i8i8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n64k32_i8i8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n128k32_i8i8      no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n8k32_u8u8        no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n16k32_u8u8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n32k32_u8u8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n64k32_u8u8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n128k32_u8u8      no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n8k32_u8i8        no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n16k32_u8i8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n32k32_u8i8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n64k32_u8i8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n128k32_u8i8      no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n8k32_i8u8        no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n16k32_i8u8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n32k32_i8u8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n64k32_i8u8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n128k32_i8u8      no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
templates for C
  gpu      chosen: mma_m16n8k32_u8i8 mr=2 nr=4 rows=8 cols=4 step=32 async, about 0.0012 Mcycles
           next: mma_m16n8k16_u8i8 mr=2 nr=4 rows=8 cols=4 step=32 async, about 0.0012 Mcycles; slower by the model
           next: mma_m16n8k32_u8i8 mr=2 nr=4 rows=8 cols=8 step=32 async, about 0.00121 Mcycles; slower by the model
           next: mma_m8n8k16_u8i8 mr=2 nr=4 rows=8 cols=4 step=32 async, about 0.00121 Mcycles; slower by the model
stage L: plain loops, no instruction chosen
  dot4_i8i8_dp4a             no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  dot4_u8i8_dp4a             no: it covers reduce k 0..4, the loops are reduce kk 0..32 (tried at kk) -> split and reorder the loops and the layout to its axes, as `template` does
  dot4_i8u8_dp4a             no: it takes u8 weights, W is i8 in -128..127
  dot4_u8u8_dp4a             no: it takes u8 weights, W is i8 in -128..127
  mma_m8n8k16_i8i8           no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  mma_m8n8k16_u8i8           no: it covers b 0..2, reduce k 0..16, the loops are b 0..2, reduce kk 0..32 (tried at b) -> split and reorder the loops and the layout to its axes, as `template` does
  mma_m8n8k16_i8u8           no: it takes u8 weights, W is i8 in -128..127
  mma_m8n8k16_u8u8           no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k16_i8i8          no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
  mma_m16n8k16_u8i8          no: it covers a 0..2, b 0..2, reduce k 0..16, the loops are a 0..2, b 0..2, reduce kk 0..32 (tried at a) -> split and reorder the loops and the layout to its axes, as `template` does
  mma_m16n8k16_i8u8          no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k16_u8u8          no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k32_i8i8          no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
 mma_m16n8k32_u8i8 fits at L.a (about # MAC/cycle)
  mma_m16n8k32_i8u8          no: it takes u8 weights, W is i8 in -128..127
  mma_m16n8k32_u8u8          no: it takes u8 weights, W is i8 in -128..127
  wgmma_m64n8k32_i8i8        no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n16k32_i8i8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n32k32_i8i8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n64k32_i8i8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n128k32_i8i8      no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n8k32_u8u8        no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n16k32_u8u8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n32k32_u8u8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n64k32_u8u8       no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n128k32_u8u8      no: target sm_80 lacks sm_90a -> a target with sm_90a
  wgmma_m64n8k32_u8i8        no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n16k32_u8i8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n32k32_u8i8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n64k32_u8i8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n128k32_u8i8      no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n8k32_i8u8        no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n16k32_i8u8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n32k32_i8u8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n64k32_i8u8       no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
  wgmma_m64n128k32_i8u8      no: target sm_80 lacks sm_90a ptx84 -> a target with sm_90a ptx84
templates for C
  gpu      chosen: mma_m16n8k32_u8i8 mr=2 nr=4 rows=8 cols=4 step=32 async, about 0.0012 Mcycles
           next: mma_m16n8k16_u8i8 mr=2 nr=4 rows=8 cols=4 step=32 async, about 0.0012 Mcycles; slower by the model
           next: mma_m16n8k32_u8i8 mr=2 nr=4 rows=8 cols=8 step=32 async, about 0.00121 Mcycles; slower by the model
           next: mma_m8n8k16_u8i8 mr=2 nr=4 rows=8 cols=4 step=32 async, about 0.00121 Mcycles; slower by the model
