/* SPDX-License-Identifier: Apache-2.0 */
/* emit.c - the target machine, LLVM's passes and the bytes.
 *
 * The pass list is short on purpose: instructions are intrinsics already, and default<O2> costs as much
 * time again and undoes them (its reassociate pass). What is here promotes stack buffers to registers,
 * drops common addresses and moves what a loop does not change out of it. */
#include "codegen/artifact.h"
#include "codegen/llvm_impl.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm/Config/llvm-config.h>
#include <pthread.h>
#include <stdlib.h>

/* instcombine was measured too: a third of the passes' time and no shorter code. */
static const char pipeline[] = "function(sroa,early-cse,simplifycfg,loop-mssa(licm))";

static void init_llvm(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser(); /* for inline assembly */
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
}

/* LLVM's registry of targets is global and not made for threads. */
static pthread_once_t once = PTHREAD_ONCE_INIT;

void cg_setup(void) { pthread_once(&once, init_llvm); }

struct machine { LLVMTargetMachineRef tm; };

static bool fail(struct ir_ctx *c, const char *what, char *text)
{
    err_set(&c->err, ERR_LLVM, (struct span){0}, "%s: %s", what, text ? text : "no reason given");
    if (text) LLVMDisposeMessage(text);
    return false;
}

static bool machine_open(struct machine *k, struct ir_ctx *c, const struct target *t, enum cg_kind kind)
{
    LLVMTargetRef ref;
    char *text = NULL;
    k->tm = NULL;
    cg_setup();
    if (LLVMGetTargetFromTriple(t->family->triple, &ref, &text)) return fail(c, t->family->triple, text);
    /* Less is as fast as Default on scheduled code, and 5 to 13 % sooner done. */
    k->tm = LLVMCreateTargetMachine(ref, t->family->triple, t->cpu, t->feature_text, LLVMCodeGenLevelLess,
                                    LLVMRelocPIC, LLVMCodeModelSmall);
    if (!k->tm) return fail(c, t->name, NULL);
    LLVMSetTargetMachineAsmVerbosity(k->tm, kind == CG_ASM); /* comments with the names of loops */
    return true;
}

static void machine_close(struct machine *k)
{
    if (k->tm) LLVMDisposeTargetMachine(k->tm);
}

static void machine_fit(const struct machine *k, LLVMModuleRef module)
{
    char *triple = LLVMGetTargetMachineTriple(k->tm);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(k->tm);
    LLVMSetTarget(module, triple);
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeMessage(triple);
}

static bool machine_run_passes(const struct machine *k, struct emit *m)
{
    char *text = NULL;
    if (LLVMVerifyModule(m->module, LLVMReturnStatusAction, &text))
        return fail(m->c, "the module is ill-formed", text);
    LLVMDisposeMessage(text);
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef e = LLVMRunPasses(m->module, pipeline, k->tm, options);
    LLVMDisposePassBuilderOptions(options);
    if (e) {
        char *why = LLVMGetErrorMessage(e);
        err_set(&m->c->err, ERR_LLVM, (struct span){0}, "LLVM's passes: %s", why);
        LLVMDisposeErrorMessage(why);
    }
    return !err_is(&m->c->err);
}

static bool take(struct ir_ctx *c, const char *from, size_t n, char **bytes, size_t *size)
{
    *bytes = malloc(n + 1); /* ends in a NUL, for the text kinds */
    if (!*bytes) return err_set(&c->err, ERR_MEMORY, (struct span){0}, "no %zu bytes for the result", n);
    memcpy(*bytes, from, n);
    (*bytes)[n] = 0;
    *size = n;
    return true;
}

static bool machine_write(const struct machine *k, struct emit *m, enum cg_kind kind, char **bytes,
                          size_t *size)
{
    LLVMMemoryBufferRef buf = NULL;
    char *text = NULL;
    if (kind == CG_LL) {
        text = LLVMPrintModuleToString(m->module);
        bool ok = take(m->c, text, strlen(text), bytes, size);
        LLVMDisposeMessage(text);
        return ok;
    }
    if (kind == CG_BC) {
        buf = LLVMWriteBitcodeToMemoryBuffer(m->module);
    } else {
        LLVMCodeGenFileType type = kind == CG_ASM || kind == CG_PTX ? LLVMAssemblyFile : LLVMObjectFile;
        if (LLVMTargetMachineEmitToMemoryBuffer(k->tm, m->module, type, &text, &buf))
            return fail(m->c, "LLVM", text);
    }
    /* An error may have been reported although bytes came out. */
    bool ok = !err_is(&m->c->err) && take(m->c, LLVMGetBufferStart(buf), LLVMGetBufferSize(buf), bytes, size);
    LLVMDisposeMemoryBuffer(buf);
    return ok;
}

/* ---- all of it ---- */

static void dump_module(struct emit *m, const struct cg_options *o, char flag, const char *pass)
{
    if (!cg_wants(o, flag)) return;
    char *text = LLVMPrintModuleToString(m->module);
    o->on_dump(o->u, pass, text);
    LLVMDisposeMessage(text);
}

static bool emit_in(struct emit *m, const struct machine *k, const struct lowered *l, const struct func *const f[2],
                    const struct cg_options *o, struct artifact *a)
{
    double since = cg_now_ms();
    machine_fit(k, m->module);
    struct embeddings data = {0};
    if (!embed_values(m->c, l, &data)) return false;
    if (data.at.n) cg_lap(o, "embed", &since);
    emit_embedded(m, &data);
    int64_t *workspace[2] = {&a->workspace, &a->pack_workspace};
    const int nembedded[2] = {l->nembedded, l->pack_nembedded};
    for (int i = 0; i < 2 && f[i]; i++) {
        struct launches gpu = {0};
        bool ok = m->target->family->kind == TARGET_SIMT ? emit_kernels(m, f[i], workspace[i], &gpu)
                                                         : emit_func(m, f[i], nembedded[i], workspace[i]);
        if (!ok || !artifact_launches(m->c, a, &gpu, i == 1)) return false;
    }
    cg_lap(o, "llvm-module", &since);
    dump_module(m, o, 'L', "llvm-module");
    since = cg_now_ms();
    arena_poll(&m->c->arena); /* LLVM's own work is not to be stopped half-way */
    if (!machine_run_passes(k, m)) return false;
    arena_poll(&m->c->arena);
    cg_lap(o, "llvm-passes", &since);
    dump_module(m, o, 'O', "llvm-passes");
    since = cg_now_ms();
    if (!machine_write(k, m, o->kind, &a->bytes, &a->size)) return false;
    arena_poll(&m->c->arena);
    cg_lap(o, "llvm-emit", &since);
    return true;
}

/* In the arena, so that it outlives a jump out of emit_in. */
struct emission { struct machine k; struct emit m; };

static void close_emission(void *p)
{
    struct emission *e = p;
    emit_close(&e->m);
    machine_close(&e->k);
}

bool emit_artifact(struct ir_ctx *c, const struct lowered *l, const struct func *const f[2],
                   const struct cg_options *o, struct artifact *a)
{
    struct emission *e = ARENA_NEW(&c->arena, struct emission);
    int keep = c->defers.n;
    if (!machine_open(&e->k, c, l->target, o->kind)) return false;
    emit_open(&e->m, c, l->target, l->main->name);
    defer(&c->defers, close_emission, e);
    bool ok = emit_in(&e->m, &e->k, l, f, o, a);
    defer_run(&c->defers, keep);
    return ok;
}

const char *cg_llvm_version(void) { return LLVM_VERSION_STRING; }
