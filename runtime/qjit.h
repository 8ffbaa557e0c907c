/* SPDX-License-Identifier: Apache-2.0 */
/* qjit.h - the whole public interface of libqjit: from a tensor expression and a schedule to a kernel that
 * is called through a plain C pointer, or to an object file that needs nothing of ours. C99 and C++.
 *
 *     qj_ctx *q = qj_ctx_new(NULL);
 *     qj_define(q, "input A[m:64, k:256] : u8; weight W[n:128, k:256] : i8\n"
 *                  "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])");
 *     qj_target(q, "native");
 *     qj_step(q, "parallel C.m");
 *     qj_kernel *k = qj_build(q);                         // compile and link
 *     if (!k) { fputs(qj_last_error(q)->text, stderr); ... }
 *     qj_tensor *args[] = {a, w, c};                      // inputs and weights as defined, then outputs
 *     qj_kernel_call(k, args, 3, NULL);
 *     qj_kernel_free(k);
 *     qj_ctx_free(q);
 *
 * Errors. A function that can fail returns false or NULL and leaves the error in its context (qj_last_error).
 * The first error sticks: until qj_clear_error, all other calls on that context do nothing and fail too, so a
 * chain of calls needs one check at its end. A failed call leaves the context as it was. NULL for a context or
 * an object is answered by false or NULL. Nothing is printed, and nothing passed here ends the process - save
 * what LLVM itself does when the system is out of memory.
 *
 * Ownership. `T *` that is returned is the caller's, to be given to T's free function (char *: qj_free).
 * `const T *` is borrowed, until the next call on the same object, or as its comment says. Strings and arrays
 * passed in are copied, unless the comment says borrowed.
 *
 * Threads. A context is used by one thread at a time; any number of contexts work in parallel. A kernel, an
 * artifact, a packed set and a tensor belong to no thread: kernels may be called from many at once, and may
 * outlive the context that made them.
 *
 * Units. Sizes are bytes, extents are elements, times are milliseconds. Text is UTF-8, names are ASCII.
 */
#ifndef QJIT_H
#define QJIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QJ_VERSION_MAJOR 0
#define QJ_VERSION_MINOR 1
#define QJ_VERSION_PATCH 0
/* Of the header that a host is compiled with, for #if; qj_version is that of the library it runs with, which may be newer:
 * a host finds all that its header declares in a library of the same soname. */
#define QJ_VERSION (QJ_VERSION_MAJOR * 10000 + QJ_VERSION_MINOR * 100 + QJ_VERSION_PATCH)
#define QJ_VERSION_AT_LEAST(major, minor, patch) (QJ_VERSION >= (major) * 10000 + (minor) * 100 + (patch))

#if defined(__GNUC__)
#define QJ_API __attribute__((visibility("default")))
#else
#define QJ_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Most dimensions of a tensor as defined, and of its memory under a layout. */
enum { QJ_RANK_MAX = 8, QJ_PHYS_MAX = 16 };

/* The library's version as "0.1.0"; LLVM's as "19.1.7". Static. */
QJ_API const char *qj_version(void);
QJ_API const char *qj_llvm_version(void);

/* Frees a string this library returned as `char *`; NULL is fine. */
QJ_API void qj_free(char *text);

/* ---- context ---- */

typedef struct qj_ctx qj_ctx;

/* Who else is told where each linked kernel lies: bits of qj_options.profile, or words of $QJIT_PROFILE ("map,dump,gdb,unwind"
 * or "all"). A symbol says function, target, digest of the object and number: conv_call[x86-64-v3#3f2a91c0.7]. */
enum {
    QJ_PROFILE_MAP = 1,     /* /tmp/perf-PID.map, for perf report */
    QJ_PROFILE_DUMP = 2,    /* jit-PID.dump with the code, in .debug/jit of $JITDUMPDIR or $HOME: perf record -k mono,
                               perf inject -j, perf annotate */
    QJ_PROFILE_GDB = 4,     /* gdb's JIT interface: names and frames */
    QJ_PROFILE_UNWIND = 8   /* libgcc's unwinder, so that backtrace() and whoever else walks stacks within the process
                               sees the frames above a kernel's; it takes a lock at each of its look-ups from then on */
};

/* Set `size` to sizeof(qj_options) and the rest to 0 for the defaults. */
typedef struct qj_options {
    size_t size;
    size_t memory_limit;    /* bytes for all that this library makes for the context and within its calls: definitions,
                               schedules, loop nests, tensors that check and time make for themselves. Not LLVM's own
                               memory, nor objects that are handed out. 0: none */
    bool allow_asm;         /* let qj_intrinsic take inline assembly, which can read files and run code */
    /* Told about the code of each compile: `code` names the kind of note ("spills"), `text` says it. Called on
     * the context's thread, during qj_compile and qj_build. NULL: nobody is told. */
    void (*log)(void *user, const char *code, const char *text);
    void *user;
    int64_t deadline_ms;    /* a call that is not done so many milliseconds after it began fails with `deadline`, within some
                               10 ms; while LLVM has the module, or the kernel itself runs, as soon as they are through.
                               0: none */
    unsigned profile;       /* QJ_PROFILE_ bits; what cannot be written is told to log as "profile" */
    /* Compile in a process of its own, `qjit worker`, which is started when first needed and ends with the context: LLVM
     * ends its process when memory runs out, and assembly text of allow_asm can do worse. What it does to itself comes back as
     * error `compiler-process`, and the next compile has a new one. Deadlines and cancelling stop LLVM too. Linking, checking
     * and disassembling stay in this process. */
    bool isolate;
    const char *worker;     /* the program; NULL: $QJIT_WORKER, else `qjit` beside this library, in ../bin, or on $PATH */
    size_t worker_memory;   /* address space of a compile in bytes; 0: 4 GiB */
    int64_t worker_ms;      /* time of a compile, by the clock and of a CPU; 0: a minute */
    /* Where compiled kernels are kept between processes, up to cache_bytes (0: 256 MiB); NULL or "": nowhere. The
     * directory is made if it is missing, and must belong to this user and be writable by nobody else. What is read from
     * it is checked (runtime/README.md), and a cache that cannot be used costs time only: `log` is told why, code
     * "cache", once. */
    const char *cache_dir;
    uint64_t cache_bytes;
} qj_options;

/* A new context without definitions, for the target "native". NULL options: the defaults. NULL: no memory. */
QJ_API qj_ctx *qj_ctx_new(const qj_options *options);
/* Frees it and all it owns: definitions, steps, error, the borrowed texts. Kernels, artifacts and tensors made with it live
 * on. NULL is fine. No call on it may be running. */
QJ_API void qj_ctx_free(qj_ctx *q);
/* Forgets definitions, steps, target, intrinsics and error; the options stay. */
QJ_API bool qj_ctx_reset(qj_ctx *q);
/* The call that runs on q fails with error `cancelled`, as soon as a deadline would stop it, and leaves the context as it
 * was; when none runs, the next one fails, unless qj_clear_error comes first. Any thread, and signal handlers; q must
 * live on until it returns. */
QJ_API void qj_cancel(qj_ctx *q);

typedef struct qj_error {
    const char *code;       /* stable name of the kind, e.g. "illegal-step" */
    const char *message;    /* what is wrong, naming the values */
    const char *hint;       /* what would work; may be "" */
    const char *detail;     /* e.g. the loop nest; NULL: none */
    const char *text;       /* all of it, with the source line and a caret, newline at the end */
    const char *file;       /* NULL: not from a file */
    int line, column;       /* from 1; 0: not from a text */
    size_t offset, length;  /* the same place as bytes of the text given to the failed call */
    int step;               /* number of the schedule step, from 1; 0: none */
} qj_error;

/* The error that stands, or NULL. Valid until it is cleared, with any cancel that no call has met yet. */
QJ_API const qj_error *qj_last_error(const qj_ctx *q);
/* After it the context works again, as it was before the call that failed. */
QJ_API void qj_clear_error(qj_ctx *q);

/* ---- what to compute ---- */

typedef enum qj_dtype { QJ_BOOL, QJ_I8, QJ_U8, QJ_I16, QJ_U16, QJ_I32, QJ_I64, QJ_F32 } qj_dtype;

/* Definitions as text, one or more, ended by newline or ';' (ir/README.md has the language). Steps already
 * given stay, and are checked against the larger program. All or nothing. */
QJ_API bool qj_define(qj_ctx *q, const char *text);

/* The same, typed. `dims` are the dimensions' names, or NULL for d0, d1, ...; shape and dims have ndim entries.
 *
 *     qj_input(q, "A", QJ_U8, 2, (int64_t[]){64, 256}, NULL);
 *     qj_compute(q, "C[m, n]", QJ_I32, "sum(k) i32(A[m, k]) * i32(W[n, k])");
 */
QJ_API bool qj_input(qj_ctx *q, const char *name, qj_dtype t, int ndim, const int64_t *shape,
                     const char *const *dims);
QJ_API bool qj_weight(qj_ctx *q, const char *name, qj_dtype t, int ndim, const int64_t *shape,
                      const char *const *dims);
QJ_API bool qj_compute(qj_ctx *q, const char *axes, qj_dtype t, const char *body);

/* An int8 layer in words instead of definitions: kind "conv2d", "depthwise", "dense" or "batched", settings
 * "h=56 w=56 c=64 o=64 k=3 pad=1"; blanks part them, their order does not matter, none is given twice, and what is not
 * said has its default. `qjit layer KIND` lists them. The program it defines, which qj_program_text shows, has the inputs A
 * [R], the weights W [B M Q T N U V] and the output Out; a step lays Out out where `out=` says so. Zero points that the
 * weights' type cannot take off are computed as the target that is set now does faster. Error: usage.
 *
 *     char s[64];
 *     int size = 56, channels = 64;
 *     snprintf(s, sizeof s, "h=%d w=%d c=%d o=%d k=3 pad=1", size, size, channels, channels);
 *     qj_layer(q, "conv2d", s);
 *     qj_template(q, "");
 *     qj_kernel *k = qj_build(q);
 */
QJ_API bool qj_layer(qj_ctx *q, const char *kind, const char *settings);

/* Gives a weight, bias or scale its values (copied): they become part of the program and of the object, packed ahead where
 * the schedule packs them, and are no arguments any more - not of the C functions, nor of qj_kernel_call, where the
 * tensors of a call are those that qj_kernel_arg counts. The range of integers is measured, which may prove instructions
 * that a declared range does not. `values` has the shape as declared, row-major. Again: other values. In text:
 * `weight W[k:4] : i8 = hex "00017f80"`. Errors: argument (shape, type), range (outside what was declared), type (not a
 * weight), unknown-name. */
struct qj_tensor;
QJ_API bool qj_embed(qj_ctx *q, const char *name, const struct qj_tensor *values);

/* A function of yours as an operation of expressions: declares it and says where it is. The declaration is
 * "NAME(TYPE, ...) : TYPE" with 1 to 8 arguments, what `extern` says in a text; if a text has declared NAME already, the
 * types must be the same. In C `f(i8, f32) : bool` is bool f(int8_t, float).
 *
 *     qj_extern(q, "swish(f32) : f32", (void (*)(void))swish);
 *     qj_compute(q, "Out[i]", QJ_F32, "swish(X[i])");
 *
 * It must be pure (the result depends on the arguments alone), may be called from any thread of a parallel loop, more
 * or less often than the text says, and never where a select or a guard excludes it. What it is given anew is for
 * kernels linked from then on. A kernel may be emitted without qj_extern: its object has the undefined symbol NAME.
 *
 * The plain function stays as long as kernels that were linked to it are called. A closure is called with pointers to
 * the arguments and to where the result goes, each of its C type (bool, int8_t, ... float); `user` is released, if
 * `release` is not NULL, when neither the context nor a kernel needs it any more. After a failure it is not.
 * Errors: syntax, redefined; linking without an address: link. */
QJ_API bool qj_extern(qj_ctx *q, const char *declaration, void (*function)(void));
QJ_API bool qj_extern_closure(qj_ctx *q, const char *declaration,
                              void (*fn)(void *user, void *const *args, void *result), void *user,
                              void (*release)(void *user));

/* Names the kernel and so the C functions of its artifact: an identifier of at most 64 characters that is free in C
 * and C++: no keyword, nothing of C's headers, no function of the C library or of POSIX, nor reserved. The default is
 * "kernel". */
QJ_API bool qj_name(qj_ctx *q, const char *name);

/* The definitions as text that qj_define reads back. */
QJ_API char *qj_program_text(qj_ctx *q);

/* Everything a compile depends on as a script: versions, target (never "native"), kernel name, intrinsics, definitions,
 * steps. `qjit compile` makes of it, on any machine, the very object that qj_compile makes of the context; send it with a
 * report of a fault. Works while an error stands, and leaves it. Error: as qj_target for a machine we do not know. */
QJ_API char *qj_reproducer(qj_ctx *q);

/* ---- for which machine ---- */

/* "native", "generic", "x86-64-v3", "x86-64-v4,+avx512vnni", "x86-64,cpu=znver3", "sm_80"; "cuda" is the GPU at hand, by its
 * name. Steps stay, and are checked against the new target. Errors: unknown-target, missing-feature, cannot-run-here ("cuda",
 * with the reason), and those of steps. */
QJ_API bool qj_target(qj_ctx *q, const char *target);
/* The target's canonical name, until it changes. */
QJ_API const char *qj_target_name(qj_ctx *q);

/* An instruction of your own (targets/README.md): operands "C: i32[8], A: i16[2], B: i16[8,2]", meaning
 * "C[i] += i32(A[k]) * i32(B[i,k])", recipe "add(C, @llvm.x86.avx2.pmadd.wd(A, B))", needs "avx2" (or NULL). It
 * goes with the target that is set now. */
QJ_API bool qj_intrinsic(qj_ctx *q, const char *name, const char *operands, const char *meaning,
                         const char *recipe, const char *needs);

/* ---- how to compute it ---- */

/* Schedule steps as text, one or more: "split C.n 16 -> no ni; vectorize C.ni" (schedule/README.md). Each is
 * checked in its turn; all or nothing. */
QJ_API bool qj_step(qj_ctx *q, const char *text);

/* What is done where an extent is no multiple of the factor. */
typedef enum qj_tail { QJ_TAIL_GUARD, QJ_TAIL_PEEL, QJ_TAIL_PAD, QJ_TAIL_ERROR } qj_tail;
typedef enum qj_scope { QJ_GLOBAL, QJ_SHARED, QJ_LOCAL } qj_scope;
typedef enum qj_axis {
    QJ_BLOCK_X, QJ_BLOCK_Y, QJ_BLOCK_Z, QJ_THREAD_X, QJ_THREAD_Y, QJ_THREAD_Z, QJ_VTHREAD
} qj_axis;

/* The same steps, typed: each records what its text would. Stages, axes and tensors go by name; a name in
 * the last parameters is what the new loop or stage is called (NULL: chosen). Errors: step-args, no-stage,
 * no-axis, illegal-step, tensorize-mismatch and others that the step's manual names (`qjit help split`).
 *
 *     qj_split(q, "C", "n", 16, QJ_TAIL_GUARD, "no", "ni");
 *     qj_reorder(q, "C", 4, (const char *const[]){"no", "m", "k", "ni"});
 *     qj_vectorize(q, "C", "ni");
 */
/* Cuts an axis into an outer loop and an inner one of `factor` iterations, or of as many as make `parts`. */
QJ_API bool qj_split(qj_ctx *q, const char *stage, const char *axis, int64_t factor, qj_tail tail,
                     const char *outer, const char *inner);
QJ_API bool qj_split_parts(qj_ctx *q, const char *stage, const char *axis, int64_t parts, qj_tail tail,
                           const char *outer, const char *inner);
/* One loop of adjacent loops, outermost first. */
QJ_API bool qj_fuse(qj_ctx *q, const char *stage, int naxes, const char *const *axes, const char *name);
/* The named loops in this order, in the places they hold now. */
QJ_API bool qj_reorder(qj_ctx *q, const char *stage, int naxes, const char *const *axes);
/* Splits two loops and nests the tiles inside. names: four of them (y outer, x outer, y inner, x inner), or NULL. */
QJ_API bool qj_tile(qj_ctx *q, const char *stage, const char *y, const char *x, int64_t fy, int64_t fx,
                    const char *const *names);
/* The loop's body written out; its iterations as lanes of a vector; on the pool's threads; on an axis of a GPU. The last
 * three are refused where iterations depend on each other. */
QJ_API bool qj_unroll(qj_ctx *q, const char *stage, const char *axis);
QJ_API bool qj_vectorize(qj_ctx *q, const char *stage, const char *axis);
QJ_API bool qj_parallel(qj_ctx *q, const char *stage, const char *axis);
QJ_API bool qj_bind(qj_ctx *q, const char *stage, const char *axis, qj_axis to);
/* Where a stage is computed: what one iteration of consumer's loop needs, inside it; at each reading, without storage; all
 * of it before its consumers, which is the default. */
QJ_API bool qj_compute_at(qj_ctx *q, const char *stage, const char *consumer, const char *axis);
QJ_API bool qj_compute_inline(qj_ctx *q, const char *stage);
QJ_API bool qj_compute_root(qj_ctx *q, const char *stage);
/* A new stage that copies a tensor. readers: the stages that read the copy (nreaders 0: all). as: NULL, or the element type of the copy. */
QJ_API bool qj_cache_read(qj_ctx *q, const char *tensor, qj_scope scope, int nreaders,
                          const char *const *readers, const qj_dtype *as, const char *name);
/* A new stage that computes what `stage` did, in memory of that scope; `stage` then copies it. */
QJ_API bool qj_cache_write(qj_ctx *q, const char *stage, qj_scope scope, const char *name);
/* One axis of two, of data axes or of reduce axes, which can be padded and laid out as any. */
QJ_API bool qj_merge(qj_ctx *q, const char *stage, const char *axis, const char *with, const char *name);
/* A new stage that copies what `stage` reads of a tensor, by that stage's own axes. as: as for qj_cache_read. */
QJ_API bool qj_reindex(qj_ctx *q, const char *tensor, const char *stage, const qj_dtype *as, const char *name);
/* Moves a factor of a sum of products by a constant, so that it has the type an instruction takes. names: copy, sum and sums of the other factor, or NULL. */
QJ_API bool qj_offset(qj_ctx *q, const char *tensor, const char *stage, int64_t by, const qj_dtype *as,
                      const char *const *names);
/* `factor` neighbours along an axis read one window, which `tap` then covers. kernel: the name of the new stage of weights. */
QJ_API bool qj_slide(qj_ctx *q, const char *stage, const char *tap, const char *axis, int64_t factor, const char *kernel);
/* Splits weights so that products may be added in 16 bits, and the rest apart. most: percent, below 0 for the default; names: fast and rest, or NULL. */
QJ_API bool qj_cap(qj_ctx *q, const char *stage, const char *k, int64_t groups, const char *n, int64_t block, int64_t most,
                   const char *const *names);
/* A 3x3 convolution in fewer products, exactly. tile: 2 or 4; parts: 0 as needed; names: U, V and M, or NULL. */
QJ_API bool qj_winograd(qj_ctx *q, const char *stage, const char *y, const char *x, int tile, int64_t parts,
                        const char *const *names);
/* Where the stage is stored. */
QJ_API bool qj_set_scope(qj_ctx *q, const char *stage, qj_scope scope);
/* Gaps in the stage's storage: neighbours along its axis lie a multiple of factor plus offset elements apart. */
QJ_API bool qj_storage_align(qj_ctx *q, const char *stage, const char *axis, int64_t factor, int64_t offset);
/* Copies of what the stage holds take turns in the loop it is computed in: iterations fetch for later ones. */
QJ_API bool qj_double_buffer(qj_ctx *q, const char *stage, int copies);
/* The stage, a copy in shared memory, is fetched by copies that threads do not wait for until it is used. From sm_80. */
QJ_API bool qj_async(qj_ctx *q, const char *stage);
/* A reduce loop as a data-parallel one of a new stage of partial results. */
QJ_API bool qj_rfactor(qj_ctx *q, const char *stage, const char *axis, const char *name);
/* Rounds an axis up to a multiple; what is added to a sum is zero. */
QJ_API bool qj_pad(qj_ctx *q, const char *stage, const char *axis, int64_t multiple);
/* How a stage or an argument lies in memory, as "NCHW16c". letters: NULL, or one capital an axis where the axes have longer names. */
QJ_API bool qj_transform_layout(qj_ctx *q, const char *tensor, const char *layout, const char *letters);
/* The axis and all inside it by an instruction with that meaning. tail: QJ_TAIL_ERROR, QJ_TAIL_PAD or QJ_TAIL_PEEL. */
QJ_API bool qj_tensorize(qj_ctx *q, const char *stage, const char *axis, const char *intrinsic, qj_tail tail);
/* A note in the step list; it changes nothing else. axis NULL: about the stage. */
QJ_API bool qj_annotate(qj_ctx *q, const char *stage, const char *axis, const char *key, int64_t value);

/* Lets templates choose the steps of every sum of products that has none yet (schedule/README.md): "" or a
 * template's name and knobs, as "conv2d mr=4 nr=16"; with "pick=8" the model's best eight are timed on this machine
 * (some 50 ms each) and the fastest is taken. What they choose are ordinary steps. Error: template. */
QJ_API bool qj_template(qj_ctx *q, const char *text);

/* Takes the last step back. Error: nothing-to-undo. */
QJ_API bool qj_undo(qj_ctx *q);
/* How many steps there are; 0 for NULL. */
QJ_API int qj_nsteps(qj_ctx *q);
/* The steps so far, one a line, as qj_step reads them back. */
QJ_API char *qj_steps_text(qj_ctx *q);
/* The loop nest they give; the packing function's too, if there is one. */
QJ_API char *qj_show(qj_ctx *q);
/* Which instruction and template each sum of products takes or could take, and for every other the first condition
 * that fails and what would make it fit. As text, and as a JSON array of
 * {stage, kind, name, taken, fits, where, mac_per_cycle, cycles, why, unlock}: kind "instruction", "template" or "loops". */
QJ_API char *qj_explain(qj_ctx *q);
QJ_API char *qj_explain_json(qj_ctx *q);

/* ---- to bytes ---- */

typedef struct qj_artifact qj_artifact;
typedef enum qj_format { QJ_OBJ, QJ_ASM, QJ_LL, QJ_BC, QJ_PTX, QJ_CUBIN } qj_format;  /* .o .s .ll .bc; .ptx, .cubin of a GPU */
typedef enum qj_role { QJ_ROLE_INPUT, QJ_ROLE_WEIGHT, QJ_ROLE_PACKED, QJ_ROLE_OUTPUT } qj_role;

/* An argument of a function; all pointers live as long as the object it was asked of. */
typedef struct qj_arg {
    const char *name;
    qj_role role;
    qj_dtype dtype;
    int ndim;
    int64_t shape[QJ_RANK_MAX];             /* as defined */
    const char *dim_name[QJ_RANK_MAX];
    const char *layout;                     /* how it lies in memory, as "NCHW16c"; NULL: row-major */
    int nphys;
    int64_t phys[QJ_PHYS_MAX];              /* shape in memory, row-major */
    int64_t lo, hi;                         /* elements lie in lo..hi (integers); the code relies on it */
    int64_t bytes;
} qj_arg;

/* Compiles the schedule. The code is, for a kernel of that name,
 *
 *     int NAME(args..., [void *workspace])        arguments as qj_artifact_arg counts them
 *     int NAME_call(void **args)                  the same, all pointers in one array
 *     int NAME_pack(...), NAME_pack_call          makes the PACKED arguments from weights, when there are any
 *
 * and refers to nothing but qjrt_parallel_for (weakly), memcpy, memset, memmove and what the program declares extern.
 * For a GPU it is kernels instead, to be launched with the sizes in the header and the metadata. Where NVIDIA's ptxas is found
 * ($QJIT_PTXAS, $PATH, /usr/local/cuda/bin) the metadata say what registers and memory they take and spills are noted; PTX
 * never needs it. QJ_CUBIN is what ptxas makes of it, for GPUs of that generation: `unsupported` without one.
 * Errors: llvm, unsupported, nothing-defined. */
QJ_API qj_artifact *qj_compile(qj_ctx *q, qj_format format);
/* The schedule compiled for each of n (1 to 8) targets of x86-64, or of AArch64, as one object: a call runs the last of them
 * that the CPU can run, found at the first call by CPUID or, on Linux 4.11 or later, ID registers; -1 is returned where it can
 * run none. Steps are the same for all and what qj_template chose is chosen anew for each; a step that does not fit is that
 * target's error. What qj_intrinsic added is there for each target that has the features it needs. A note's text begins with
 * its version's target. The arguments are the same for all: what versions pack is one PACKED argument, and belongs to the
 * version that packed it. Beside NAME and NAME_pack:
 *
 *     int NAME_version(void)                  the version that runs here, from 0
 *     const char *NAME_version_name(int)      a version's target; NULL
 *     int NAME_select(int)                    for tests: that version from now on (below 0: the CPU's); -1: it cannot run
 */
QJ_API qj_artifact *qj_compile_versions(qj_ctx *q, int n, const char *const *targets, qj_format format);
/* Frees it; a kernel linked from it holds it on. NULL is fine. */
QJ_API void qj_artifact_free(qj_artifact *a);
/* The file's bytes, not NUL-terminated; the kernel's name; how many arguments its C function has, the workspace apart, and
 * argument i from 0 (false: there is none). All of it lives as long as the artifact. */
QJ_API const void *qj_artifact_bytes(const qj_artifact *a, size_t *size);
QJ_API const char *qj_artifact_name(const qj_artifact *a);
QJ_API int qj_artifact_nargs(const qj_artifact *a);
QJ_API bool qj_artifact_arg(const qj_artifact *a, int i, qj_arg *out);
QJ_API int64_t qj_artifact_workspace(const qj_artifact *a);    /* bytes, 64-byte aligned; 0: no such argument */
/* Slow paths of the kernel, as qj_options.log is told them: work done again, vectors taken apart, gathers, registers
 * spilled, products without an instruction. codegen/README.md lists the codes. Strings live as long as the artifact. */
typedef struct qj_note { const char *code, *place, *text; } qj_note;
/* How many notes, and note i from 0. */
QJ_API int qj_artifact_nnotes(const qj_artifact *a);
QJ_API bool qj_artifact_note(const qj_artifact *a, int i, qj_note *out);
QJ_API char *qj_artifact_header(const qj_artifact *a);         /* C prototypes and macros */
QJ_API char *qj_artifact_json(const qj_artifact *a);           /* the same facts as data */
/* Writes to disk. "dir/conv.o", ".s", ".ll", ".bc" (the artifact's own format), ".h" or ".json": that one file.
 * "dir/conv" without an extension: the bytes, the .h and the .json beside each other. Each file appears whole
 * or not at all; a file that cannot be written leaves none of the set changed, unless renaming itself fails
 * half-way. Error: file. */
QJ_API bool qj_artifact_save(qj_ctx *q, const qj_artifact *a, const char *path);
/* Several objects for one family of targets as a library that linkers take: "dir/libnet.a", with a header of all kernels
 * and their metadata as one array, libnet.h and libnet.json. Their functions' names differ. Errors: redefined (two with one
 * name), unsupported (no object, another machine), file. */
QJ_API bool qj_archive_save(qj_ctx *q, int n, const qj_artifact *const *artifacts, const char *path);

/* ---- tensors ---- */

/* DLPack's DLTensor, member for member: `(qj_tensor *)dl` and back is a cast (dlpack.h version 0.2 and on).
 * A device.id of QJ_READ_ONLY marks CPU memory that must not be written: refused as an output. */
enum { QJ_READ_ONLY = 1 << 30 };
typedef struct qj_device { int32_t type, id; } qj_device;      /* type 1: CPU */
typedef struct qj_dltype { uint8_t code, bits; uint16_t lanes; } qj_dltype;
typedef struct qj_tensor {
    void *data;
    qj_device device;
    int32_t ndim;
    qj_dltype dtype;
    int64_t *shape;
    int64_t *strides;       /* in elements; NULL: row-major without gaps */
    uint64_t byte_offset;
} qj_tensor;

/* A new tensor, zeroed, 64-byte aligned. NULL: no memory, a negative extent, more than 8 dimensions (16 for
 * packed data), or too large. */
QJ_API qj_tensor *qj_tensor_new(qj_dtype t, int ndim, const int64_t *shape);
/* A tensor over the caller's memory (borrowed, row-major), which must outlive it. */
QJ_API qj_tensor *qj_tensor_from_data(qj_dtype t, int ndim, const int64_t *shape, void *data);
/* Frees a tensor made by one of these functions, and its data unless borrowed. Not for tensors of others. */
QJ_API void qj_tensor_free(qj_tensor *t);
/* From and to other libraries without a copy, by DLPack's structs with an owner; dlpack.h has their definitions.
 *
 * from_dlpack takes the tensor over and calls its deleter once, when it is freed; NULL (no memory, a negative
 * extent, more than 16 dimensions, a major version other than 1): it stays the caller's. Any type, device and
 * strides come in; what a function cannot read it refuses. A read-only one becomes QJ_READ_ONLY.
 *
 * to_dlpack is for tensors made by the functions here. Either may be freed first: the memory goes with the last
 * (borrowed memory must outlive both). The deleter may be called from any thread. Strides are always filled in,
 * byte_offset is 0. NULL: no memory, or read-only, which only the versioned struct can say.
 *
 *     DLManagedTensor *m = PyCapsule_GetPointer(capsule, "dltensor");
 *     qj_tensor *a = qj_tensor_from_dlpack(m);            // then the capsule is renamed "used_dltensor"
 */
struct DLManagedTensor;
struct DLManagedTensorVersioned;
QJ_API qj_tensor *qj_tensor_from_dlpack(struct DLManagedTensor *dl);
QJ_API qj_tensor *qj_tensor_from_dlpack_versioned(struct DLManagedTensorVersioned *dl);
QJ_API struct DLManagedTensor *qj_tensor_to_dlpack(qj_tensor *t);
QJ_API struct DLManagedTensorVersioned *qj_tensor_to_dlpack_versioned(qj_tensor *t);
/* A row-major copy of a CPU tensor with any strides, also 0 and negative ones. NULL: no memory, or a type or
 * device of others. */
QJ_API qj_tensor *qj_tensor_dense(const qj_tensor *t);
/* Bytes of its elements; -1: not a type of ours, or too large. */
QJ_API int64_t qj_tensor_bytes(const qj_tensor *t);
/* The first element: data plus byte_offset. */
QJ_API void *qj_tensor_data(const qj_tensor *t);
QJ_API bool qj_tensor_dtype(const qj_tensor *t, qj_dtype *out);
/* Fills with reproducible random values in lo..hi (f32: reals there). False: a range that its type has not, or not dense CPU
 * memory that may be written. */
QJ_API bool qj_tensor_fill(qj_tensor *t, uint64_t seed, int64_t lo, int64_t hi);
/* numpy's .npy, versions 1 and 2, little-endian, C order. Error: npy (what is wrong with it), file. */
QJ_API qj_tensor *qj_tensor_load_npy(qj_ctx *q, const char *path);
QJ_API bool qj_tensor_save_npy(qj_ctx *q, const qj_tensor *t, const char *path);

/* ---- the GPU ---- */

typedef struct qj_gpu_info {
    size_t size;                    /* sizeof(qj_gpu_info) */
    char name[64];
    int ordinal;                    /* $QJIT_CUDA_DEVICE, else 0 */
    int capability;                 /* 90: compute capability 9.0, target sm_90 */
    int processors, clock_mhz;
    int driver;                     /* the CUDA version it knows: 12040 is 12.4 */
} qj_gpu_info;

/* The GPU that kernels for `sm_NN` targets are linked to and run on, through CUDA's driver library, which is opened
 * when first asked for ($QJIT_CUDA_DRIVER, else libcuda.so.1). Error: cannot-run-here, with the reason. */
QJ_API bool qj_gpu(qj_ctx *q, qj_gpu_info *out);
/* A copy of a dense tensor in the GPU's memory (DLPack device type 2), owned by the caller. A kernel of a GPU takes
 * tensors of the CPU as well, and copies them for each call; with all of them on the GPU it copies nothing. Errors:
 * cannot-run-here, argument, device. */
QJ_API qj_tensor *qj_tensor_to_gpu(qj_ctx *q, const qj_tensor *t);
/* Copies the elements between two dense tensors of one type and shape, each on the CPU or the GPU. Errors:
 * cannot-run-here, argument, device. */
QJ_API bool qj_tensor_copy(qj_ctx *q, qj_tensor *to, const qj_tensor *from);
/* The same on a stream, as qj_call's: begun when it returns. One of them lies on the GPU; host memory that is not page-locked
 * may be copied at once. Both must live until the stream is that far. */
QJ_API bool qj_tensor_copy_on(qj_ctx *q, qj_tensor *to, const qj_tensor *from, void *stream);
/* A zeroed tensor in the GPU's memory, the caller's; a workspace is one of bytes. Errors as for qj_tensor_to_gpu. */
QJ_API qj_tensor *qj_tensor_new_gpu(qj_ctx *q, qj_dtype t, int ndim, const int64_t *shape);

/* ---- kernels ---- */

typedef struct qj_kernel qj_kernel;
typedef struct qj_packed qj_packed;

/* Links an artifact (format QJ_OBJ, or QJ_PTX or QJ_CUBIN on a GPU) into this process. Errors: link, cannot-run-here. */
QJ_API qj_kernel *qj_link(qj_ctx *q, const qj_artifact *a);
/* qj_compile and qj_link in one. */
QJ_API qj_kernel *qj_build(qj_ctx *q);
/* Unlinks it. No call may be running, and none may come. */
QJ_API void qj_kernel_free(qj_kernel *k);

/* The tensors of a call: inputs and weights in the order they were defined, then outputs. */
QJ_API int qj_kernel_nargs(const qj_kernel *k);
/* Argument i of qj_kernel_call, from 0; false: there is none. Its strings live as long as the kernel. */
QJ_API bool qj_kernel_arg(const qj_kernel *k, int i, qj_arg *out);

typedef struct qj_call {
    size_t size;                /* sizeof(qj_call) */
    const qj_packed *packed;    /* weights already packed; NULL: packed for this call alone */
    void *workspace;            /* qj_kernel_workspace bytes, 64-byte aligned; NULL: allocated for this call */
    char *why;                  /* on failure: what is wrong, NUL-terminated; may be NULL */
    size_t why_size;
    bool check_ranges;          /* first look whether inputs and weights lie in their declared ranges, on which the choice
                                   of instructions rests; always done by a debug build */
    /* A CUstream of the GPU's primary context (CU_STREAM_LEGACY for the default one): the call launches there and returns;
     * an error of the kernel itself comes from whoever waits. All tensors lie on the GPU, weights are packed before, and what the
     * kernel needs of workspace is given, there; all of it, and the kernel, must live until the stream is that far. NULL: a
     * stream of the kernel's own, which the call waits for. */
    void *stream;
} qj_call;

/* Checks the tensors and calls the kernel; no allocation when the options give what it needs. A tensor has the
 * argument's shape - as defined, or `phys` where it has a layout - and lies in CPU memory without gaps, aligned
 * to its elements (axes of extent 1 may have any stride; others are refused by name, nothing is copied unasked);
 * byte_offset is honoured. With `packed`, weights that only packing reads may be NULL. Values outside the
 * declared ranges give unspecified results. Any thread. NULL options: the defaults. */
QJ_API bool qj_kernel_call(const qj_kernel *k, qj_tensor *const *args, int nargs, const qj_call *options);
/* Packs the constant weights once for many calls; the set holds copies. args as for a call; only weights are
 * read, others may be NULL. A kernel that packs nothing gives an empty set. */
QJ_API qj_packed *qj_kernel_pack(const qj_kernel *k, qj_tensor *const *args, int nargs,
                                 const qj_call *options);
/* Before or after its kernel is freed. NULL is fine. */
QJ_API void qj_packed_free(qj_packed *p);
/* What a caller of the plain entry passes for PACKED argument i (counted as in qj_artifact_arg); NULL: it is
 * not one. It lives as long as the set.
 *
 *     qj_tensor *args[] = {a, w, c};
 *     qj_packed *p = qj_kernel_pack(k, args, 3, NULL);    // once
 *     qj_call o = {sizeof o, p, NULL, NULL, 0, false, NULL};
 *     qj_kernel_call(k, args, 3, &o);                     // many times
 */
QJ_API const void *qj_packed_data(const qj_packed *p, int i);

/* The plain C entry, as the artifact's header declares it: the direct way to call, about 2 ns. Valid until the
 * kernel is freed. ISO C has no cast from object to function pointers; POSIX does. */
QJ_API void *qj_kernel_entry(const qj_kernel *k);
/* int (*)(void **args): the same arguments in an array. */
QJ_API void *qj_kernel_call_entry(const qj_kernel *k);
/* Bytes of workspace a call needs, 64-byte aligned; 0: none. */
QJ_API int64_t qj_kernel_workspace(const qj_kernel *k);
/* What it was linked from: borrowed, as long as the kernel. */
QJ_API const qj_artifact *qj_kernel_artifact(const qj_kernel *k);

/* A copy in the layout of argument i of a tensor that has the shape as defined and any strides, and the way back. */
QJ_API qj_tensor *qj_to_layout(const qj_kernel *k, int i, const qj_tensor *t);
QJ_API qj_tensor *qj_from_layout(const qj_kernel *k, int i, const qj_tensor *t);

/* ---- trust, time, code ---- */

typedef struct qj_check_report {
    size_t size;                    /* sizeof(qj_check_report) */
    int64_t compared, different;    /* output elements over all patterns of data */
    int patterns;
    bool every;                     /* all elements were compared, not a sample */
    char output[64], pattern[32];   /* the first difference: where, under which data */
    int64_t index[QJ_RANK_MAX];
    int ndim;
    double got, want;
} qj_check_report;

/* Runs the kernel on data that hides nothing - all greatest, all least, alternating, random, random extremes,
 * mostly small weights, within the declared ranges - and compares with the definition, bit for bit: every output element while that
 * is affordable, else a sample with all corners. False with error "mismatch" on a difference. report may be
 * NULL. */
QJ_API bool qj_check(qj_ctx *q, const qj_kernel *k, qj_check_report *report);

typedef struct qj_timing {
    size_t size;                    /* sizeof(qj_timing) */
    double best_ms, median_ms;      /* a call: of the best window, of the median one */
    double spread;                  /* (90th percentile - best) / best: how busy the machine was */
    bool noisy;                     /* spread says: measure again */
    int windows;
    int64_t calls;
    double ghz;                     /* clock, by a chain of dependent additions; 0: unknown on this machine */
    int64_t macs;                   /* multiply-accumulates a call */
    double gmacs, mac_per_cycle;    /* 10^9 MAC/s and MAC a cycle of the best window, all threads together */
    double ceiling;                 /* MAC/cycle of one core doing nothing but `row`; 0: the target has none */
    char row[64];                   /* the instruction: the kernel's own, else the target's best */
    int threads;
} qj_timing;

/* Measures calls with weights packed beforehand: many short windows within budget_ms (0: 300). args as for
 * qj_kernel_call, or NULL for random data. */
QJ_API bool qj_time(qj_ctx *q, const qj_kernel *k, qj_tensor *const *args, int nargs, double budget_ms,
                    qj_timing *out);

typedef struct qj_instruction {
    uint64_t address;
    const uint8_t *bytes;           /* as they lie in memory now: borrowed from the kernel */
    int nbytes;
    const char *function;           /* on the first instruction of a function, else NULL */
    const char *text;               /* "vpdpbusd zmm3, zmm1, dword ptr [rsi]{1to16}" */
    uint64_t jump;                  /* target address of a direct jump inside the kernel; 0: none */
} qj_instruction;
typedef struct qj_listing {
    size_t n;
    const qj_instruction *at;
    int spill_stores, spill_loads;  /* registers that did not fit */
} qj_listing;

/* Disassembles the linked bytes. The listing must not outlive the kernel. */
QJ_API qj_listing *qj_disassemble(qj_ctx *q, const qj_kernel *k);
/* NULL is fine. */
QJ_API void qj_listing_free(qj_listing *l);

/* ---- the process ---- */

/* Threads that parallel loops use, in all contexts (0: $QJRT_THREADS, else the CPUs this process may use), and
 * the host's own pool instead of ours: hook(user, body, ctx, n) runs body(ctx, begin, end) so that 0..n-1 are
 * covered once, and returns 0. */
QJ_API void qj_set_threads(int n);
QJ_API void qj_set_parallel_for(int (*hook)(void *user, void (*body)(void *ctx, int64_t begin, int64_t end),
                                            void *ctx, int64_t n), void *user);

#ifdef __cplusplus
}
#endif
#endif
