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

static bool build_one(struct emit *m, const struct lowered *l, const struct func *const f[2], const struct cg_options *o,
                      struct artifact *a)
{
    double since = cg_now_ms();
    struct embeddings *data = ARENA_NEW(&m->c->arena, struct embeddings);
    if (!embed_values(m->c, l, data)) return false;
    if (data->at.n) cg_lap(o, "embed", &since);
    emit_embedded(m, data);
    int64_t *workspace[2] = {&a->workspace, &a->pack_workspace};
    const int nembedded[2] = {l->nembedded, l->pack_nembedded};
    for (int i = 0; i < 2 && f[i]; i++) {
        struct launches gpu = {0};
        bool ok = m->target->family->kind == TARGET_SIMT ? emit_kernels(m, f[i], nembedded[i], workspace[i], &gpu)
                                                         : emit_func(m, f[i], nembedded[i], workspace[i]);
        if (!ok || !artifact_launches(m->c, a, &gpu, i == 1)) return false;
    }
    return true;
}

/* From the module to bytes. */
static bool finish(struct emit *m, const struct machine *k, const struct cg_options *o, struct artifact *a)
{
    dump_module(m, o, 'L', "llvm-module");
    double since = cg_now_ms();
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

static struct emission *open_emission(struct ir_ctx *c, const struct target *t, const char *name, enum cg_kind kind)
{
    struct emission *e = ARENA_NEW(&c->arena, struct emission);
    if (!machine_open(&e->k, c, t, kind)) return NULL;
    emit_open(&e->m, c, t, name);
    defer(&c->defers, close_emission, e);
    machine_fit(&e->k, e->m.module);
    return e;
}

bool emit_artifact(struct ir_ctx *c, const struct lowered *l, const struct func *const f[2],
                   const struct cg_options *o, struct artifact *a)
{
    int keep = c->defers.n;
    double since = cg_now_ms();
    struct emission *e = open_emission(c, l->target, l->main->name, o->kind);
    bool ok = e && build_one(&e->m, l, f, o, a);
    cg_lap(o, "llvm-module", &since);
    ok = ok && finish(&e->m, &e->k, o, a);
    defer_run(&c->defers, keep);
    return ok;
}

/* The functions of version v into the module, local ones. */
static bool build_version(struct emit *m, int v, const struct version *from, struct choice k[2], struct artifact *a)
{
    const struct lowered *l = from->l;
    struct embeddings *data = ARENA_NEW(&m->c->arena, struct embeddings);
    int64_t bytes, *workspace[2] = {&a->workspace, &a->pack_workspace};
    const int nembedded[2] = {l->nembedded, l->pack_nembedded};
    m->target = l->target;
    m->name = from->f[0]->name;
    if (!embed_values(m->c, l, data)) return false;
    emit_embedded(m, data);
    for (int i = 0; i < 2; i++) {
        k[i].n = v + 1;
        k[i].fn[v] = NULL;
        if (!from->f[i]) continue;
        k[i].arg[v] = i ? l->pack_arg : l->arg;
        k[i].narg[v] = i ? lowered_npack(l) : lowered_nargs(l);
        k[i].fn[v] = emit_inner(m, from->f[i], nembedded[i], &bytes);
        if (!k[i].fn[v]) return false;
        LLVMSetLinkage(k[i].fn[v], LLVMInternalLinkage);
        *workspace[i] = i64_max(*workspace[i], bytes);
    }
    return true;
}

bool emit_versions(struct ir_ctx *c, const struct target *base, const struct lowered *joint, int n, const struct version *v,
                   const struct cg_options *o, struct artifact *a)
{
    int keep = c->defers.n;
    const struct target *t[CG_MAX_VERSIONS];
    struct choice k[2] = {{0}, {0}};
    struct emission *e = open_emission(c, base, joint->main->name, o->kind);
    bool ok = e != NULL;
    for (int i = 0; ok && i < n; i++) {
        t[i] = v[i].l->target;
        ok = build_version(&e->m, i, &v[i], k, a);
    }
    if (ok) {
        e->m.target = base;
        e->m.name = joint->main->name;
        emit_choice(&e->m, n, t);
        emit_chooser(&e->m, joint->main->name, joint->arg, lowered_nargs(joint), a->workspace > 0, &k[0]);
        if (joint->pack)
            emit_chooser(&e->m, joint->pack->name, joint->pack_arg, joint->pack->narg, a->pack_workspace > 0, &k[1]);
        ok = finish(&e->m, &e->k, o, a);
    }
    defer_run(&c->defers, keep);
    return ok;
}

const char *cg_llvm_version(void) { return LLVM_VERSION_STRING; }
const void *cg_llvm_code(void) { return (const void *)(uintptr_t)LLVMCreateTargetMachine; }
