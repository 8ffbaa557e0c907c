/* SPDX-License-Identifier: Apache-2.0 */
/* api_archive.c - several objects as one library with one header and one file of metadata. */
#include "codegen/codegen.h"
#include "ir/base/digest.h"
#include "runtime/api.h"
#include "runtime/archive.h"
#include "runtime/file.h"
#include "runtime/kernel.h"

enum { SYMBOLS_MAX = 7, MOST_MEMBERS = 4096 };

struct archiving { int n; const qj_artifact *const *a; const char *path; };

/* The functions that an object defines, of which no two members may have the same. */
static int symbols_of(struct arena *arena, const struct artifact *a, const char **out)
{
    static const char *const version[] = {"%s_version", "%s_version_name", "%s_select"};
    int n = 0;
    const char *const base[] = {a->name, a->pack_name};
    for (int i = 0; i < 2; i++) {
        if (!base[i]) continue;
        out[n++] = base[i];
        out[n++] = arena_printf(arena, "%s_call", base[i]);
    }
    for (size_t i = 0; a->nversion && i < ARRAY_LEN(version); i++) {
        const char *suffix = version[i] + 2;
        out[n++] = arena_printf(arena, "%s%s", a->name, suffix);
    }
    return n;
}

static bool all_differ(struct qj_ctx *q, int n, const struct archive_member *m)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            for (int x = 0; x < m[i].nsymbol; x++)
                for (int y = 0; y < m[k].nsymbol; y++) {
                    if (strcmp(m[i].symbol[x], m[k].symbol[y])) continue;
                    err_set(&q->ir.err, ERR_REDEFINED, (struct span){0}, "objects %d and %d of the library both define %s", k + 1,
                            i + 1, m[i].symbol[x]);
                    err_hint(&q->ir.err, "give each kernel a name of its own: `name conv1`");
                    return false;
                }
    return true;
}

/* The tensors of `a` and `b` by which a macro of one would be one of the other's: conv and x_A, conv_x and A. */
static const char *same_macros(struct arena *arena, const struct artifact *a, const struct artifact *b)
{
    size_t n = strlen(a->name);
    if (strncmp(a->name, b->name, n) || b->name[n] != '_') return NULL;
    const struct { const struct artifact_arg *at; int n; } x[] = {{a->arg, a->narg}, {a->pack, a->npack}},
                                                           y[] = {{b->arg, b->narg}, {b->pack, b->npack}};
    for (int s = 0; s < 4; s++)
        for (int i = 0; i < x[s & 1].n; i++)
            for (int k = 0; k < y[s >> 1].n; k++) {
                const char *name = arena_printf(arena, "%s_%s", b->name + n + 1, y[s >> 1].at[k].name);
                if (!strcmp(x[s & 1].at[i].name, name)) return name;
            }
    return NULL;
}

static bool same_extern(const struct artifact_extern *x, const struct artifact_extern *y)
{
    return x->result == y->result && x->narg == y->narg && !memcmp(x->arg, y->arg, (size_t)x->narg * sizeof *x->arg);
}

/* What the header could not declare, or the linker would join: a function of the host's that another object defines, or that
 * two want with other types. */
static bool externs_fit(struct qj_ctx *q, const struct artifact *a, const struct artifact *b, const struct archive_member *mb)
{
    for (int i = 0; i < a->next; i++) {
        const char *name = a->ext[i].name;
        for (int k = 0; k < mb->nsymbol; k++)
            if (!strcmp(name, mb->symbol[k]))
                return err_set(&q->ir.err, ERR_REDEFINED, (struct span){0}, "%s is a function of the host's for %s, and one that %s defines",
                               name, a->name, b->name);
        for (int k = 0; k < b->next; k++)
            if (!strcmp(name, b->ext[k].name) && !same_extern(&a->ext[i], &b->ext[k]))
                return err_set(&q->ir.err, ERR_REDEFINED, (struct span){0}, "%s has other types for %s than for %s", name, a->name, b->name);
    }
    return true;
}

/* One header declares all of them. */
static bool all_fit(struct qj_ctx *q, int n, const qj_artifact *const *w, const struct archive_member *m)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) {
            const struct artifact *a = w[i]->a, *b = w[k]->a;
            if (i == k) continue;
            if (!externs_fit(q, a, b, &m[k])) return false;
            const char *name = same_macros(&q->ir.arena, a, b);
            if (!name) continue;
            err_set(&q->ir.err, ERR_REDEFINED, (struct span){0}, "the header of the library would have two macros %s_%s_BYTES: of %s and of %s",
                    a->name, name, a->name, b->name);
            err_hint(&q->ir.err, "give a kernel another name: `name conv1`");
            return false;
        }
    return true;
}

static bool gather(struct qj_ctx *q, const struct archiving *v, struct archive_member *m, struct str *header)
{
    struct arena *arena = &q->ir.arena;
    for (int i = 0; i < v->n; i++) {
        if (!v->a[i]) return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "artifact %d is missing (NULL)", i + 1);
        const struct artifact *a = v->a[i]->a;
        if (a->kind != CG_OBJ || strcmp(a->triple, v->a[0]->a->triple)) {
            err_set(&q->ir.err, ERR_UNSUPPORTED, (struct span){0}, "%s in one library with %s: %s", a->name, v->a[0]->a->name,
                    a->kind != CG_OBJ ? "it is no object" : "they are for different machines");
            err_hint(&q->ir.err, "objects (QJ_OBJ) of one family of targets");
            return false;
        }
        const char **symbol = ARENA_ARRAY(arena, const char *, SYMBOLS_MAX);
        m[i] = (struct archive_member){arena_printf(arena, "%s.o", a->name), a->bytes, a->size, symbols_of(arena, a, symbol), symbol};
        str_printf(header, "%s%s", i ? "\n" : "", artifact_header(arena, a));
    }
    return all_differ(q, v->n, m) && all_fit(q, v->n, v->a, m);
}

/* The metadata of all, with what tells that library and header are those they were written with. */
static void describe(struct arena *arena, const struct archiving *v, const struct file_part *library, const struct file_part *header,
                     struct str *json)
{
    char of_library[DIGEST_HEX], of_header[DIGEST_HEX];
    digest_hex(library->bytes, library->n, of_library);
    digest_hex(header->bytes, header->n, of_header);
    str_put(json, "[\n");
    for (int i = 0; i < v->n; i++)
        str_printf(json, "%s%s", i ? "," : "", artifact_json_beside(arena, v->a[i]->a, of_header, of_library));
    str_put(json, "]\n");
}

static bool body_archive(struct qj_ctx *q, void *u)
{
    const struct archiving *v = u;
    struct arena *arena = &q->ir.arena;
    struct str header = str_on(arena), json = str_on(arena);
    if (v->n < 1 || v->n > MOST_MEMBERS || !v->a || !v->path)
        return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "a library has from 1 to %d objects, and a path", MOST_MEMBERS);
    const char *ext = file_ext(v->path);
    size_t size;
    if (strcmp(ext, ".a") || strlen(file_base(v->path)) < 3) {
        err_set(&q->ir.err, ERR_FILE, (struct span){0}, "%s: a library's name ends in .a", v->path);
        err_hint(&q->ir.err, "dir/libnet.a makes dir/libnet.a, dir/libnet.h and dir/libnet.json");
        return false;
    }
    struct archive_member *m = ARENA_ARRAY(arena, struct archive_member, v->n);
    if (!gather(q, v, m, &header)) return false;
    const void *bytes = archive_bytes(arena, v->n, m, &size);
    if (!bytes) {
        err_set(&q->ir.err, ERR_TOO_LARGE, (struct span){0}, "%s would be larger than 4 GiB", v->path);
        return err_hint(&q->ir.err, "an archive's index has 32 bits a place: make several libraries"), false;
    }
    int stem = (int)(strlen(v->path) - strlen(ext));
    struct file_part all[] = {{v->path, bytes, size},
                              {arena_printf(arena, "%.*s.h", stem, v->path), str_text(&header), header.n},
                              {arena_printf(arena, "%.*s.json", stem, v->path), NULL, 0}};
    describe(arena, v, &all[0], &all[1], &json);
    all[2].bytes = str_text(&json);
    all[2].n = json.n;
    return file_write(&q->ir.err, all, 3);
}

bool qj_archive_save(qj_ctx *q, int n, const qj_artifact *const *artifacts, const char *path)
{
    return api_run(q, API_SCRATCH, body_archive, &(struct archiving){n, artifacts, path});
}
