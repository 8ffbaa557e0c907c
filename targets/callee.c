/* SPDX-License-Identifier: Apache-2.0 */
/* callee.c - which LLVM intrinsics a recipe may call, and what each needs.
 *
 * LLVM aborts the process on an intrinsic that the subtarget cannot select, so a call that is not known
 * here to be selectable with the row's features never reaches it. Only intrinsics without memory
 * operands or side effects are listed, and none that becomes a call into libm.
 *
 * A name matches the row with the longest prefix; "llvm.smax." also stands for llvm.smax itself. Under
 * llvm.x86.avx512. the forms of 128 and 256 bits need avx512vl as well. */
#include "targets/family.h"

static const struct callee {
    const char *prefix;
    const char *needs;      /* features, space separated */
    const char *other;      /* a feature that is enough alone: another family's, or that of VEX forms of up to 256 bits; or NULL */
} callees[] = {
    /* any target */
    {"llvm.abs.", "", NULL},
    {"llvm.smax.", "", NULL},
    {"llvm.smin.", "", NULL},
    {"llvm.umax.", "", NULL},
    {"llvm.umin.", "", NULL},
    {"llvm.sadd.sat.", "", NULL},
    {"llvm.ssub.sat.", "", NULL},
    {"llvm.uadd.sat.", "", NULL},
    {"llvm.usub.sat.", "", NULL},
    {"llvm.ctpop.", "", NULL},
    {"llvm.bswap.", "", NULL},
    {"llvm.bitreverse.", "", NULL},
    {"llvm.fshl.", "", NULL},
    {"llvm.fshr.", "", NULL},
    {"llvm.fabs.", "", NULL},
    {"llvm.sqrt.", "", NULL},
    {"llvm.vector.reduce.add.", "", NULL},
    {"llvm.vector.reduce.and.", "", NULL},
    {"llvm.vector.reduce.or.", "", NULL},
    {"llvm.vector.reduce.xor.", "", NULL},
    {"llvm.vector.reduce.smax.", "", NULL},
    {"llvm.vector.reduce.smin.", "", NULL},
    {"llvm.vector.reduce.umax.", "", NULL},
    {"llvm.vector.reduce.umin.", "", NULL},
    /* without these features a call into libm */
    {"llvm.fma.", "fma", "neon"},
    {"llvm.ceil.", "sse4.1", "neon"},
    {"llvm.floor.", "sse4.1", "neon"},
    {"llvm.rint.", "sse4.1", "neon"},
    {"llvm.roundeven.", "sse4.1", "neon"},
    {"llvm.trunc.", "sse4.1", "neon"},
    /* x86 */
    {"llvm.x86.sse2.cvtps2dq", "sse2", NULL},
    {"llvm.x86.sse2.cvttps2dq", "sse2", NULL},
    {"llvm.x86.sse2.packss", "sse2", NULL},
    {"llvm.x86.sse2.packus", "sse2", NULL},
    {"llvm.x86.sse2.pavg.", "sse2", NULL},
    {"llvm.x86.sse2.pmadd.wd", "sse2", NULL},
    {"llvm.x86.sse2.pmulh.w", "sse2", NULL},
    {"llvm.x86.sse2.pmulhu.w", "sse2", NULL},
    {"llvm.x86.sse2.psad.bw", "sse2", NULL},
    {"llvm.x86.ssse3.pmadd.ub.sw.128", "ssse3", NULL},
    {"llvm.x86.ssse3.pmul.hr.sw.128", "ssse3", NULL},
    {"llvm.x86.ssse3.pshuf.b.128", "ssse3", NULL},
    {"llvm.x86.ssse3.psign.b.128", "ssse3", NULL},
    {"llvm.x86.ssse3.psign.w.128", "ssse3", NULL},
    {"llvm.x86.ssse3.psign.d.128", "ssse3", NULL},
    {"llvm.x86.ssse3.phadd.w.128", "ssse3", NULL},
    {"llvm.x86.ssse3.phadd.d.128", "ssse3", NULL},
    {"llvm.x86.sse41.packusdw", "sse4.1", NULL},
    {"llvm.x86.sse41.pblendvb", "sse4.1", NULL},
    {"llvm.x86.avx.cvt.ps2dq.256", "avx", NULL},
    {"llvm.x86.avx.cvtt.ps2dq.256", "avx", NULL},
    {"llvm.x86.avx2.packss", "avx2", NULL},
    {"llvm.x86.avx2.packus", "avx2", NULL},
    {"llvm.x86.avx2.pavg.", "avx2", NULL},
    {"llvm.x86.avx2.pblendvb", "avx2", NULL},
    {"llvm.x86.avx2.permd", "avx2", NULL},
    {"llvm.x86.avx2.permps", "avx2", NULL},
    {"llvm.x86.avx2.phadd.", "avx2", NULL},
    {"llvm.x86.avx2.pmadd.", "avx2", NULL},
    {"llvm.x86.avx2.pmul.hr.sw", "avx2", NULL},
    {"llvm.x86.avx2.pmulh.w", "avx2", NULL},
    {"llvm.x86.avx2.pmulhu.w", "avx2", NULL},
    {"llvm.x86.avx2.psad.bw", "avx2", NULL},
    {"llvm.x86.avx2.pshuf.b", "avx2", NULL},
    {"llvm.x86.avx2.psign.", "avx2", NULL},
    {"llvm.x86.avx2.psllv.", "avx2", NULL},
    {"llvm.x86.avx2.psrav.", "avx2", NULL},
    {"llvm.x86.avx2.psrlv.", "avx2", NULL},
    {"llvm.x86.avx2.vpdpb", "avxvnniint8", NULL},
    {"llvm.x86.avx2.vpdpw", "avxvnniint16", NULL},
    {"llvm.x86.avx512.packss", "avx512bw", NULL},
    {"llvm.x86.avx512.packus", "avx512bw", NULL},
    {"llvm.x86.avx512.pavg.", "avx512bw", NULL},
    {"llvm.x86.avx512.permvar.sf.", "avx512f", NULL},
    {"llvm.x86.avx512.permvar.si.", "avx512f", NULL},
    {"llvm.x86.avx512.permvar.hi.", "avx512bw", NULL},
    {"llvm.x86.avx512.permvar.qi.", "avx512vbmi", NULL},
    {"llvm.x86.avx512.pmaddubs.w.", "avx512bw", NULL},
    {"llvm.x86.avx512.pmaddw.d.", "avx512bw", NULL},
    {"llvm.x86.avx512.pmul.hr.sw.", "avx512bw", NULL},
    {"llvm.x86.avx512.pmulh.w.", "avx512bw", NULL},
    {"llvm.x86.avx512.pmulhu.w.", "avx512bw", NULL},
    {"llvm.x86.avx512.psad.bw.", "avx512bw", NULL},
    {"llvm.x86.avx512.pshuf.b.", "avx512bw", NULL},
    {"llvm.x86.avx512.pmultishift.qb.", "avx512vbmi", NULL},
    {"llvm.x86.avx512.vpermi2var.d.", "avx512f", NULL},
    {"llvm.x86.avx512.vpermi2var.hi.", "avx512bw", NULL},
    {"llvm.x86.avx512.vpermi2var.qi.", "avx512vbmi", NULL},
    {"llvm.x86.avx512.vpdpbusd.", "avx512vnni", "avxvnni"},
    {"llvm.x86.avx512.vpdpbusds.", "avx512vnni", "avxvnni"},
    {"llvm.x86.avx512.vpdpwssd.", "avx512vnni", "avxvnni"},
    {"llvm.x86.avx512.vpdpwssds.", "avx512vnni", "avxvnni"},
    {"llvm.x86.avx512.vpmadd52", "avx512ifma", NULL},
    /* AArch64: pairs added and widened, long products, saturating and rounding arithmetic, dot products, tiles */
    {"llvm.aarch64.neon.saddlp.", "neon", NULL},
    {"llvm.aarch64.neon.uaddlp.", "neon", NULL},
    {"llvm.aarch64.neon.smull.", "neon", NULL},
    {"llvm.aarch64.neon.umull.", "neon", NULL},
    {"llvm.aarch64.neon.sqdmulh.", "neon", NULL},
    {"llvm.aarch64.neon.sqrdmulh.", "neon", NULL},
    {"llvm.aarch64.neon.srshl.", "neon", NULL},
    {"llvm.aarch64.neon.sqshl.", "neon", NULL},
    {"llvm.aarch64.neon.fcvtns.", "neon", NULL},
    {"llvm.aarch64.neon.sqxtn.", "neon", NULL},
    {"llvm.aarch64.neon.sqxtun.", "neon", NULL},
    {"llvm.aarch64.neon.uqxtn.", "neon", NULL},
    {"llvm.aarch64.neon.sdot.", "dotprod", NULL},
    {"llvm.aarch64.neon.udot.", "dotprod", NULL},
    {"llvm.aarch64.neon.usdot.", "i8mm", NULL},
    {"llvm.aarch64.neon.smmla.", "i8mm", NULL},
    {"llvm.aarch64.neon.ummla.", "i8mm", NULL},
    {"llvm.aarch64.neon.usmmla.", "i8mm", NULL},
    {"llvm.aarch64.sve.sdot.", "sve", NULL},
    {"llvm.aarch64.sve.udot.", "sve", NULL},
    {"llvm.aarch64.sve.usdot.", "sve i8mm", NULL},
    /* NVIDIA: tiles of bytes, by all lanes of a warp */
    {"llvm.nvvm.mma.m8n8k16.row.col.", "sm_75", NULL},
    {"llvm.nvvm.mma.m16n8k16.row.col.", "sm_80", NULL},
    {"llvm.nvvm.mma.m16n8k32.row.col.", "sm_80", NULL},
};

static const struct callee *find(const char *name)
{
    const struct callee *best = NULL;
    size_t longest = 0, len = strlen(name);
    for (size_t i = 0; i < ARRAY_LEN(callees); i++) {
        size_t n = strlen(callees[i].prefix);
        bool hit = !strncmp(name, callees[i].prefix, n) ||
                   (callees[i].prefix[n - 1] == '.' && len == n - 1 && !strncmp(name, callees[i].prefix, len));
        if (hit && n > longest) { best = &callees[i]; longest = n; }
    }
    return best;
}

static bool ends_in(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && !strcmp(s + n - m, tail);
}

static bool has(const struct family *f, uint64_t have, const char *names)
{
    for (const char *s = names; *(s += strspn(s, " ")); s += strcspn(s, " ")) {
        const struct feature *x = family_feature(f, s, strcspn(s, " "));
        if (!x || !(have & x->bit)) return false;
    }
    return true;
}

static const char warp_wide[] = "llvm.nvvm.mma.";

static bool check_call(struct ir_ctx *c, const struct family *f, const struct meaning *row, const char *name, uint64_t have,
                       struct span at)
{
    const struct callee *k = find(name);
    if (!k) {
        err_set(&c->err, ERR_INTRIN, at, "%s: %s is not among the intrinsics a recipe may call", row->name, name);
        err_hint(&c->err, "targets/callee.c lists them with what they need; inline assembly is another way");
        return false;
    }
    if (!strncmp(name, warp_wide, sizeof warp_wide - 1) && meaning_nlanes(row) != 32) {
        err_set(&c->err, ERR_INTRIN, at, "%s: %s is executed by 32 threads together, the meaning says %d", row->name, name,
                meaning_nlanes(row));
        return err_hint(&c->err, "write the meaning of one of them: lane(g, t) C[...] += ..."), false;
    }
    bool wide = ends_in(name, ".512"), need_vl = !wide && !strncmp(name, "llvm.x86.avx512.", 16);
    if (has(f, have, k->needs) && (!need_vl || has(f, have, "avx512vl"))) return true;
    if (k->other && !wide && has(f, have, k->other)) return true;
    const char *vl = need_vl ? " avx512vl" : "";
    err_set(&c->err, ERR_FEATURE, at, "%s: %s needs %s%s, which the row does not ask for", row->name, name, k->needs, vl);
    if (!family_feature(f, k->needs, strcspn(k->needs, " ")))
        err_hint(&c->err, "the family %s has no such feature; pick another target", f->name);
    else if (k->other && !wide && family_feature(f, k->other, strlen(k->other)))
        err_hint(&c->err, "write needs \"%s%s\" or \"%s\"", k->needs, vl, k->other);
    else
        err_hint(&c->err, "write needs \"%s%s\"", k->needs, vl);
    return false;
}

bool callee_check(struct ir_ctx *c, const struct family *f, const struct meaning *row, const struct recipe *r, uint64_t have,
                  struct span at)
{
    if (r->kind == RCP_CALL && !check_call(c, f, row, r->name, have, at)) return false;
    for (int i = 0; i < r->nkid; i++)
        if (!callee_check(c, f, row, r->kid[i], have, at)) return false;
    return true;
}
