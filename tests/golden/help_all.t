# cmd: -c help
# expect
A statement ends at a newline or `;`; # starts a comment.

Definitions:  input weight bias scale NAME[...] : TYPE,  extern NAME(TYPES) : TYPE,  NAME[axes] : TYPE = expression     (help definitions)

Schedule steps:
  split STAGE.AXIS FACTOR | parts=N [tail=guard|peel|pad] [-> OUTER INNER]
  fuse STAGE.AXIS AXIS ... [-> NAME]
  merge STAGE.AXIS AXIS [-> NAME]
  reorder STAGE AXIS AXIS ...
  tile STAGE.AXIS AXIS FACTOR FACTOR [-> YO XO YI XI]
  unroll STAGE.AXIS
  vectorize STAGE.AXIS
  parallel STAGE.AXIS
  bind STAGE.AXIS blockIdx.x|.y|.z|threadIdx.x|.y|.z|vthread
  compute_at STAGE CONSUMER.AXIS
  compute_inline STAGE
  compute_root STAGE
  cache_read TENSOR global|shared|local [READER ...] [as=DTYPE] [-> NAME]
  reindex TENSOR STAGE [as=DTYPE] [-> NAME]
  offset TENSOR STAGE NUMBER [as=DTYPE] [-> COPY SUM SUMS]
  cache_write STAGE global|shared|local [-> NAME]
  set_scope STAGE global|shared|local
  rfactor STAGE.AXIS [-> NAME]
  pad STAGE.AXIS MULTIPLE
  slide STAGE.TAP AXIS FACTOR [-> KERNEL]
  transform_layout TENSOR LAYOUT [axes=LETTERS]
  storage_align STAGE.AXIS FACTOR OFFSET
  double_buffer STAGE [COPIES]
  async STAGE
  tensorize STAGE.AXIS [with] INTRINSIC [tail=error|pad|peel]
  annotate STAGE[.AXIS] KEY VALUE
  cap STAGE.K GROUPS N BLOCK [most=PERCENT] [-> FAST REST]
  winograd STAGE.Y X tile=2|4 [parts=N] [-> U V M]
  template [NAME] [stage=STAGE] [row=INTRINSIC] [mr=N] [nr=N] [rows=N] [cols=N] [step=N] [outer=0|1] [tile=0|2|4] [nth=N] [pick=N]

Commands:
  show                    Prints the loop nest that the steps so far give.
  program                 Prints the definitions.
  steps                   Prints the schedule steps, numbered.
  ir [PASS]               Prints the loop nest after codegen's passes, or after each up to PASS.
  llvm                    Prints the LLVM module the kernel becomes.
  asm [bytes]             Disassembles the very bytes that run: the hot loop is marked >, spills are counted.
  check [emulate]         Runs the kernel on random full-range data and compares every bit with the definition; `emulate`: in an emulator (qemu, Bochs), for CPUs that this machine is not.
 time [MILLISECONDS] Measures the kernel for about # ms, or as long as said: milliseconds, GMAC/s, MAC/cycle and this machine's ceiling.
  undo [COUNT]            Takes back the last step, or COUNT of them.
  redo [COUNT]            Gives the steps taken back again.
  save FILE               Writes the session as a script that compiles to the same bytes anywhere: target, name, definitions, steps.
  load FILE               Runs a script here.
  emit [FILE] [for TARGET ...] Writes FILE by its extension: .o (with .h and .json beside it), .s, .ll or .bc. Default: KERNEL.o. For several targets: one object that asks the CPU.
  embed NAME FILE.npy     Gives a weight its values, from a file: they become part of the program and of the object.
  run NAME=FILE.npy ...   Runs the kernel on tensors from files; for an output the file is written.
  target [NAME]           Sets what to compile for, as x86-64-v3, native, or cuda for the GPU here; without NAME, prints it.
  explain [ERROR]         What an error means; without ERROR, which instructions fit which loops, and why the others do not.
  help [WORD]             Explains a command, a schedule primitive, or: definitions, limits, intrinsic, environment, exit.
  intrinsic NAME ...       Adds an instruction of your own to the target.
  name [KERNEL]           Names the kernel: the C function that emit writes.
  reset                   Forgets definitions, steps and target.
  quit                    Ends the session or the script.

help WORD tells more about each; help exit has the exit codes.
