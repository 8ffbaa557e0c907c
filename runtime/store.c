/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - one description of the fields serves both ways, so that reader and writer cannot differ. Contract in
 * store.h. */
#include "runtime/store.h"

#include <stdlib.h>

#include "runtime/call.h"

/* One more whenever the fields below change. */
enum { STORE_FORM = 5 };
static const char store_magic[8] = "qjit-knp";

enum { MOST_NOTES = 1 << 12, MOST_EXTERNS = 1 << 12, MOST_EMBEDDED = 1 << 12, MOST_TEXT = 1 << 26, MOST_NAME = 256 };
static const int64_t most_bytes = INT64_C(1) << 48;

struct io {
    bool reading, no_memory;
    const char *bad;            /* what is wrong; NULL: nothing so far */
    const unsigned char *at;    /* reading: what is left */
    size_t left;
    unsigned char *out;         /* writing: what there is */
    size_t n, cap;
};

static bool ok(const struct io *io) { return !io->bad && !io->no_memory; }

static bool wrong(struct io *io, const char *what)
{
    if (ok(io)) io->bad = what;
    return false;
}

/* ---- bytes, numbers, texts ---- */

static bool room(struct io *io, size_t n)
{
    if (!ok(io)) return false;
    if (n <= io->cap - io->n) return true;
    size_t cap = io->cap * 2 + n + 4096;
    unsigned char *grown = realloc(io->out, cap);
    if (!grown) return io->no_memory = true, false;
    io->out = grown;
    io->cap = cap;
    return true;
}

static void raw(struct io *io, void *p, size_t n)
{
    if (io->reading) {
        if (!ok(io)) return;
        if (n > io->left) {
            wrong(io, "it ends early");
            return;
        }
        memcpy(p, io->at, n);
        io->at += n;
        io->left -= n;
    } else if (room(io, n)) {
        memcpy(io->out + io->n, p, n);
        io->n += n;
    }
}

/* A number in lo..hi. */
static void number(struct io *io, int64_t *v, int64_t lo, int64_t hi, const char *what)
{
    unsigned char b[8];
    for (int i = 0; i < 8; i++) b[i] = (unsigned char)((uint64_t)*v >> (8 * i));
    raw(io, b, sizeof b);
    if (!io->reading || !ok(io)) return;
    uint64_t u = 0;
    for (int i = 0; i < 8; i++) u |= (uint64_t)b[i] << (8 * i);
    if ((int64_t)u < lo || (int64_t)u > hi) wrong(io, what);
    else *v = (int64_t)u;
}

static int small(struct io *io, int v, int lo, int hi, const char *what)
{
    int64_t wide = v;
    number(io, &wide, lo, hi, what);
    return (int)wide;
}

/* The same for what is an int, an enum or a bool. What is written is only read: other threads may use it. */
#define SMALL(io, field, lo, hi, what)                                                            \
    do {                                                                                          \
        int v_ = small(io, (int)(field), lo, hi, what);                                           \
        if ((io)->reading) (field) = v_;                                                          \
    } while (0)

static int64_t wide(struct io *io, int64_t v, int64_t lo, int64_t hi, const char *what)
{
    number(io, &v, lo, hi, what);
    return v;
}

enum text_kind { TEXT_ANY, TEXT_NAME, TEXT_MAYBE, TEXT_MAYBE_NAME };

static bool is_name(const char *s, size_t n)
{
    bool is = n > 0 && n <= MOST_NAME && !(s[0] >= '0' && s[0] <= '9');
    for (size_t i = 0; is && i < n; i++)
        is = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '_';
    return is;
}

/* Bytes with a NUL behind them, owned. A length of -1: NULL. */
static void blob(struct io *io, char **s, size_t *n, int64_t least, int64_t most)
{
    int64_t len = wide(io, *s ? (int64_t)*n : -1, least, most, "the length of a text");
    if (!ok(io) || len < 0) return;
    if (io->reading) {
        if ((uint64_t)len > io->left) {
            wrong(io, "it ends early");
            return;
        }
        *s = malloc((size_t)len + 1);
        if (!*s) {
            io->no_memory = true;
            return;
        }
        (*s)[len] = 0;
        *n = (size_t)len;
    }
    raw(io, *s, (size_t)len);
}

static void text(struct io *io, char **s, enum text_kind kind)
{
    size_t n = !io->reading && *s ? strlen(*s) : 0;
    bool maybe = kind == TEXT_MAYBE || kind == TEXT_MAYBE_NAME;
    blob(io, s, &n, maybe ? -1 : 0, MOST_TEXT);
    if (!io->reading || !ok(io) || !*s) return;
    if (memchr(*s, 0, n)) wrong(io, "a NUL character in a text");
    else if ((kind == TEXT_NAME || kind == TEXT_MAYBE_NAME) && !is_name(*s, n)) wrong(io, "a name that is none");
}

/* An array of at most `most` entries, each of which takes at least `least` bytes here. Returns how many there are. */
static int array(struct io *io, void **at, size_t size, int count, int most, size_t least, const char *what)
{
    int n = small(io, count, 0, most, what);
    if (!ok(io)) return 0;
    if (!io->reading) return n;
    if ((size_t)n > io->left / least) return wrong(io, "it ends early"), 0;
    *at = calloc((size_t)n + 1, size);
    if (!*at) io->no_memory = true;
    return *at ? n : 0;
}

/* ---- the fields ---- */

static void shape_io(struct io *io, int *n, int64_t *at, int most)
{
    SMALL(io, *n, 0, most, "a rank");
    for (int i = 0; i < *n && ok(io); i++) number(io, &at[i], 1, most_bytes, "an extent");
}

static void arg_io(struct io *io, struct artifact_arg *a)
{
    text(io, &a->name, TEXT_NAME);
    SMALL(io, a->role, ARG_INPUT, ARG_EMBEDDED, "a role");
    SMALL(io, a->dt, 0, DT_COUNT - 1, "an element type");
    shape_io(io, &a->ndim, a->shape, QJ_MAX_RANK);
    for (int i = 0; i < a->ndim && ok(io); i++) text(io, &a->dim_name[i], TEXT_NAME);
    shape_io(io, &a->nphys, a->phys, QJ_MAX_PHYS);
    text(io, &a->layout, TEXT_MAYBE);
    number(io, &a->range.lo, INT64_MIN, INT64_MAX, "");
    number(io, &a->range.hi, INT64_MIN, INT64_MAX, "");
    SMALL(io, a->range_declared, 0, 1, "a flag");
    number(io, &a->bytes, 0, most_bytes, "a size");
}

enum { ARG_LEAST = 8 * 11, NOTE_LEAST = 8 * 3, VERSION_LEAST = 8 * 2, QUANT_LEAST = 8 * 17, EXTERN_LEAST = 8 * 4, CALL_LEAST = 8 * 4, PACK_LEAST = 8, KERNEL_LEAST = 8 * 10 };

static void args_io(struct io *io, int *n, struct artifact_arg **at, int most)
{
    void *made = *at;
    int count = array(io, &made, sizeof **at, *n, most, ARG_LEAST, "a number of arguments");
    if (io->reading) {
        *at = made;
        *n = count;
    }
    for (int i = 0; i < count && ok(io); i++) arg_io(io, &(*at)[i]);
}

static void notes_io(struct io *io, struct artifact *a)
{
    void *made = a->note;
    a->nnote = array(io, &made, sizeof *a->note, a->nnote, MOST_NOTES, NOTE_LEAST, "a number of notes");
    a->note = made; /* of a copy, when written */
    for (int i = 0; i < a->nnote && ok(io); i++) {
        text(io, &a->note[i].code, TEXT_ANY);
        text(io, &a->note[i].place, TEXT_ANY);
        text(io, &a->note[i].text, TEXT_ANY);
    }
}

static void kernels_io(struct io *io, struct artifact *a)
{
    void *made = a->kernel;
    a->nkernel = array(io, &made, sizeof *a->kernel, a->nkernel, MOST_NOTES, KERNEL_LEAST, "a number of kernels");
    a->kernel = made;
    for (int i = 0; i < a->nkernel && ok(io); i++) {
        struct artifact_kernel *k = &a->kernel[i];
        text(io, &k->name, TEXT_NAME);
        SMALL(io, k->pack, 0, 1, "a flag");
        for (int d = 0; d < 3; d++) number(io, &k->grid[d], 1, INT32_MAX, "a number of blocks");
        for (int d = 0; d < 3; d++) number(io, &k->block[d], 1, INT32_MAX, "a number of threads");
        number(io, &k->shared, 0, INT32_MAX, "a size");
        number(io, &k->dynamic_shared, 0, INT32_MAX, "a size");
    }
}

static void externs_io(struct io *io, struct artifact *a)
{
    void *made = a->ext;
    a->next = array(io, &made, sizeof *a->ext, a->next, MOST_EXTERNS, EXTERN_LEAST, "a number of functions");
    a->ext = made; /* of a copy, when written */
    for (int i = 0; i < a->next && ok(io); i++) {
        struct artifact_extern *x = &a->ext[i];
        text(io, &x->name, TEXT_NAME);
        SMALL(io, x->result, 0, DT_COUNT - 1, "a type");
        SMALL(io, x->narg, 1, EXTERN_MAX_ARGS, "a number of arguments");
        for (int k = 0; k < x->narg && ok(io); k++) SMALL(io, x->arg[k], 0, DT_COUNT - 1, "a type");
    }
}

static void factor_io(struct io *io, struct artifact_factor *f)
{
    int64_t bits;
    memcpy(&bits, &f->value, sizeof bits);
    SMALL(io, f->given, 0, 1, "a flag");
    text(io, &f->arg, TEXT_MAYBE_NAME);
    SMALL(io, f->ndim, 0, QJ_MAX_RANK, "a rank");
    for (int i = 0; i < f->ndim && ok(io); i++) SMALL(io, f->axis[i], 0, QJ_MAX_RANK - 1, "an axis");
    number(io, &bits, INT64_MIN, INT64_MAX, "");
    if (io->reading) memcpy(&f->value, &bits, sizeof bits);
}

static void quants_io(struct io *io, struct artifact *a)
{
    void *made = a->quant;
    a->nquant = array(io, &made, sizeof *a->quant, a->nquant, CALL_MAX_ARGS, QUANT_LEAST, "a number of outputs");
    a->quant = made; /* of a copy, when written */
    for (int i = 0; i < a->nquant && ok(io); i++) {
        struct artifact_quant *q = &a->quant[i];
        text(io, &q->output, TEXT_NAME);
        SMALL(io, q->round, 0, ROUND_COUNT - 1, "a rounding");
        factor_io(io, &q->scale);
        factor_io(io, &q->mult);
        factor_io(io, &q->shift);
        number(io, &q->zero, INT64_MIN, INT64_MAX, "");
        number(io, &q->lo, INT64_MIN, INT64_MAX, "");
        number(io, &q->hi, INT64_MIN, INT64_MAX, "");
    }
}

static void versions_io(struct io *io, struct artifact *a)
{
    void *made = a->version;
    a->nversion = array(io, &made, sizeof *a->version, a->nversion, CG_MAX_VERSIONS, VERSION_LEAST, "a number of versions");
    a->version = made; /* of a copy, when written */
    for (int i = 0; i < a->nversion && ok(io); i++) {
        text(io, &a->version[i].target, TEXT_ANY);
        text(io, &a->version[i].steps, TEXT_ANY);
    }
}

static void artifact_io(struct io *io, struct artifact *a)
{
    SMALL(io, a->kind, CG_OBJ, CG_PTX, "a kind of artifact");
    blob(io, &a->bytes, &a->size, 0, INT64_MAX);
    text(io, &a->name, TEXT_NAME);
    text(io, &a->pack_name, TEXT_MAYBE_NAME);
    args_io(io, &a->narg, &a->arg, CALL_MAX_ARGS);
    args_io(io, &a->npack, &a->pack, CALL_MAX_ARGS);
    args_io(io, &a->nembedded, &a->embedded, MOST_EMBEDDED);
    number(io, &a->workspace, 0, most_bytes, "a workspace");
    number(io, &a->pack_workspace, 0, most_bytes, "a workspace");
    number(io, &a->macs, 0, INT64_MAX / 2, "a number of operations");
    externs_io(io, a);
    notes_io(io, a);
    versions_io(io, a);
    quants_io(io, a);
    kernels_io(io, a);
    char **const texts[] = {&a->target, &a->triple, &a->cpu, &a->features, &a->steps, &a->program};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) text(io, texts[i], TEXT_ANY);
}

static void layout_io(struct io *io, struct layout *l)
{
    SMALL(io, l->nphys, 0, QJ_MAX_PHYS, "a rank");
    if (l->nphys == 0 || !ok(io)) return;
    SMALL(io, l->nlogical, 1, QJ_MAX_RANK, "a rank");
    for (int i = 0; i < l->nphys && ok(io); i++) {
        struct layout_dim *d = &l->phys[i];
        SMALL(io, d->dim, 0, l->nlogical - 1, "an axis");
        number(io, &d->size, 0, most_bytes, "a block");
        number(io, &d->stride, 1, most_bytes, "a stride");
    }
}

static void wrapped_io(struct io *io, struct qj_artifact *w)
{
    artifact_io(io, w->a);
    void *made = w->call;
    w->ncall = array(io, &made, sizeof *w->call, w->ncall, CALL_MAX_ARGS, CALL_LEAST, "a number of tensors");
    w->call = made;
    for (int i = 0; i < w->ncall && ok(io); i++) {
        struct call_arg *c = &w->call[i];
        SMALL(io, c->main, -1, w->a->narg - 1, "an argument's number");
        SMALL(io, c->pack, -1, w->a->npack - 1, "an argument's number");
        layout_io(io, &c->layout);
    }
    made = w->from_pack;
    int n = array(io, &made, sizeof *w->from_pack, w->a->narg, CALL_MAX_ARGS, PACK_LEAST, "a number of arguments");
    w->from_pack = made;
    if (ok(io) && n != w->a->narg) wrong(io, "a number of arguments");
    for (int i = 0; i < n && ok(io); i++)
        SMALL(io, w->from_pack[i], -1, w->a->npack - 1, "an argument's number");
}

/* ---- what the fields say together ---- */

static bool same_shape(int n, const int64_t *a, int m, const int64_t *b)
{
    return n == m && (n == 0 || !memcmp(a, b, (size_t)n * sizeof *a));
}

static bool arg_valid(const struct artifact_arg *a, bool embedded)
{
    if ((a->role == ARG_EMBEDDED) != embedded) return false;
    int64_t bytes = dt_bytes(a->dt), elems = 1;
    for (int i = 0; i < a->nphys; i++)
        if (!ck_mul(bytes, a->phys[i], &bytes)) return false;
    for (int i = 0; i < a->ndim; i++)
        if (!ck_mul(elems, a->shape[i], &elems)) return false;
    bool in_type = !dt_is_int(a->dt) || (a->range.lo >= dtype_info[a->dt].lo && a->range.hi <= dtype_info[a->dt].hi);
    return bytes == a->bytes && elems <= most_bytes && in_type && a->range.lo <= a->range.hi;
}

/* Strides and sizes are what the order of the blocks says, and every logical point has a place. */
static bool layout_valid(const struct layout *l, const struct artifact_arg *a)
{
    int64_t stride[QJ_MAX_RANK], phys[QJ_MAX_PHYS];
    bool closed[QJ_MAX_RANK] = {false};
    if (l->nphys == 0) return same_shape(a->nphys, a->phys, a->ndim, a->shape);
    if (l->nlogical != a->ndim) return false;
    for (int i = 0; i < QJ_MAX_RANK; i++) stride[i] = 1;
    for (int i = l->nphys; i-- > 0;) {
        const struct layout_dim *d = &l->phys[i];
        if (closed[d->dim] || d->stride != stride[d->dim]) return false;
        if (d->size == 0) closed[d->dim] = true;
        else if (!ck_mul(stride[d->dim], d->size, &stride[d->dim])) return false;
    }
    for (int i = 0; i < l->nlogical; i++)
        if (!closed[i]) return false;
    int n = layout_shape(l, a->ndim, a->shape, phys);
    return same_shape(n, phys, a->nphys, a->phys);
}

static bool same_arg(const struct artifact_arg *a, const struct artifact_arg *b)
{
    return !strcmp(a->name, b->name) && a->dt == b->dt && same_shape(a->ndim, a->shape, b->ndim, b->shape) &&
           same_shape(a->nphys, a->phys, b->nphys, b->phys);
}

/* The pointers a call will pass: each argument of either function comes from exactly one place. */
static bool map_valid(const struct qj_artifact *w)
{
    const struct artifact *a = w->a;
    unsigned char main[CALL_MAX_ARGS] = {0}, pack[CALL_MAX_ARGS] = {0};
    for (int i = 0; i < w->ncall; i++) {
        const struct call_arg *c = &w->call[i];
        if (c->main < 0 && c->pack < 0) return false;
        if (c->main >= 0 && (main[c->main]++ || a->arg[c->main].role == ARG_PACKED)) return false;
        if (c->pack >= 0 && (pack[c->pack]++ || a->pack[c->pack].role != ARG_WEIGHT)) return false;
        if (c->main >= 0 && c->pack >= 0 && !same_arg(&a->arg[c->main], &a->pack[c->pack])) return false;
        if (!layout_valid(&c->layout, artifact_call_arg(w, i))) return false;
    }
    for (int i = 0; i < a->narg; i++) {
        int from = w->from_pack[i];
        if ((a->arg[i].role == ARG_PACKED) != (from >= 0)) return false;
        if (from < 0) continue;
        if (pack[from]++ || a->pack[from].role != ARG_PACKED || a->pack[from].bytes != a->arg[i].bytes) return false;
        main[i]++;
    }
    for (int i = 0; i < a->narg; i++)
        if (!main[i]) return false;
    for (int i = 0; i < a->npack; i++)
        if (!pack[i]) return false;
    return true;
}

static void validate(struct io *io, const struct qj_artifact *w)
{
    const struct artifact *a = w->a;
    if (!ok(io)) return;
    if (io->left) wrong(io, "there is more behind its end");
    if (!a->bytes || a->narg + 1 > CALL_MAX_ARGS || a->npack + 1 > CALL_MAX_ARGS) wrong(io, "a number of arguments");
    if (!a->pack_name && (a->npack || a->pack_workspace)) wrong(io, "arguments of no function");
    for (int i = 0; ok(io) && i < a->narg; i++)
        if (!arg_valid(&a->arg[i], false)) wrong(io, "an argument's size");
    for (int i = 0; ok(io) && i < a->npack; i++)
        if (!arg_valid(&a->pack[i], false)) wrong(io, "an argument's size");
    for (int i = 0; ok(io) && i < a->nembedded; i++)
        if (!arg_valid(&a->embedded[i], true)) wrong(io, "constant data's size");
    if (ok(io) && !map_valid(w)) wrong(io, "the order of its arguments");
}

/* ---- both ways ---- */

static void head_io(struct io *io)
{
    char magic[sizeof store_magic];
    memcpy(magic, store_magic, sizeof magic);
    raw(io, magic, sizeof magic);
    if (ok(io) && memcmp(magic, store_magic, sizeof magic)) wrong(io, "it is something else");
    small(io, STORE_FORM, STORE_FORM, STORE_FORM, "its form is another version's");
}

bool store_write(struct err_state *e, const struct qj_artifact *w, void **bytes, size_t *n)
{
    struct io io = {.reading = false};
    struct artifact a = *w->a; /* the fields are described as what can change; these do not */
    struct qj_artifact copy = {.a = &a, .ncall = w->ncall, .call = w->call, .from_pack = w->from_pack};
    head_io(&io);
    wrapped_io(&io, &copy);
    *bytes = io.out;
    *n = io.n;
    if (ok(&io)) return true;
    free(io.out);
    *bytes = NULL;
    return err_set(e, ERR_MEMORY, (struct span){0}, "no memory for the bytes of %s", w->a->name);
}

struct qj_artifact *store_read(struct err_state *e, const void *bytes, size_t n)
{
    struct io io = {.reading = true, .at = bytes, .left = n};
    struct qj_artifact *w = calloc(1, sizeof *w);
    if (w) {
        w->refs = 1;
        w->a = calloc(1, sizeof *w->a);
    }
    if (!w || !w->a) io.no_memory = true;
    head_io(&io);
    if (ok(&io)) wrapped_io(&io, w);
    validate(&io, w);
    if (ok(&io)) return w;
    qj_artifact_free(w);
    if (io.no_memory) err_set(e, ERR_MEMORY, (struct span){0}, "no memory for a stored kernel");
    else err_set(e, ERR_LINK, (struct span){0}, "the stored kernel is damaged: %s", io.bad);
    return NULL;
}
