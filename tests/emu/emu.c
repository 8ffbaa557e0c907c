/* SPDX-License-Identifier: Apache-2.0 */
/* emu.c - contract in emu.h. A batch becomes a directory: an object a kernel, the data in one file, the table guest.h
 * describes as C; one static program is linked of it with the emulated machine's compiler. */
#include "tests/emu/emu.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* `build` makes ./guest of the sources; `run` comes before it. Words are the shell's. */
struct emu_machine {
    const struct family *family;
    const char *needs[3];               /* programs */
    const char *build, *run;
};

static const struct emu_machine machines[] = {
    {&family_aarch64, {"aarch64-linux-gnu-gcc", "qemu-aarch64-static"},
     "aarch64-linux-gnu-gcc -std=gnu11 -O1 -static", "qemu-aarch64-static -cpu max"},
};

static bool on_path(const char *program)
{
    const char *path = getenv("PATH");
    char file[4096];
    for (const char *p = path ? path : ""; *p;) {
        size_t n = strcspn(p, ":");
        snprintf(file, sizeof file, "%.*s/%s", (int)n, p, program);
        if (!access(file, X_OK)) return true;
        p += n + (p[n] == ':');
    }
    return false;
}

const struct emu_machine *emu_machine_for(const struct target *t)
{
    if (!env_number("QJ_EMULATE", 1)) return NULL;
    for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
        bool have = machines[i].family == t->family;
        for (int k = 0; have && machines[i].needs[k]; k++) have = on_path(machines[i].needs[k]);
        if (have) return &machines[i];
    }
    return NULL;
}

/* ---- a batch ---- */

struct emu {
    const struct emu_machine *machine;
    char dir[64];
    int n, cap;
    char **label;
    long at;                            /* bytes of data so far */
    FILE *data, *table, *list;          /* list: the end of the table, a line a case */
};

static FILE *file_in(const struct emu *e, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", e->dir, name);
    FILE *f = fopen(path, "wb");
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

static void open_batch(struct emu *e)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(e->dir, sizeof e->dir, "%.40s/qjit-emu.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(e->dir)) {
        perror(e->dir);
        exit(1);
    }
    e->data = file_in(e, "data.bin");
    e->table = file_in(e, "table.c");
    e->list = file_in(e, "list.h");
    fputs("#include \"tests/emu/guest/guest.h\"\n", e->table);
    e->at = 0;
}

static void close_files(struct emu *e)
{
    if (e->data) fclose(e->data);
    if (e->table) fclose(e->table);
    if (e->list) fclose(e->list);
    e->data = e->table = e->list = NULL;
}

static void forget(struct emu *e)
{
    char command[128];
    close_files(e);
    if (e->dir[0] && !env_number("QJ_KEEP", 0)) {
        snprintf(command, sizeof command, "rm -rf '%s'", e->dir);
        if (system(command)) perror(command);
    }
    e->dir[0] = 0;
    for (int i = 0; i < e->n; i++) free(e->label[i]);
    e->n = 0;
}

struct emu *emu_new(const struct emu_machine *m)
{
    struct emu *e = calloc(1, sizeof *e);
    if (e) e->machine = m;
    return e;
}

void emu_free(struct emu *e)
{
    if (!e) return;
    forget(e);
    free(e->label);
    free(e);
}

int emu_queued(const struct emu *e) { return e->n; }

static const struct func *renamed(struct ir_ctx *c, const struct func *f, const char *name)
{
    struct func *g = ARENA_NEW(&c->arena, struct func);
    *g = *f;
    g->name = name;
    return g;
}

struct artifact *emu_compile(struct emu *e, struct ir_ctx *c, const struct lowered *l, const struct cg_options *o)
{
    struct lowered own = *l;
    const char *name = arena_printf(&c->arena, "k%d", e->n);
    own.main = renamed(c, l->main, name);
    if (l->pack) own.pack = renamed(c, l->pack, arena_printf(&c->arena, "%s_pack", name));
    return cg_compile(c, &own, o);
}

/* Where the bytes lie in the file. */
static long put(struct emu *e, const void *bytes, int64_t n)
{
    long at = e->at;
    if (!bytes) return -1;
    fwrite(bytes, 1, (size_t)n, e->data);
    e->at += n;
    return at;
}

static void put_ints(FILE *f, const char *what, int k, int n, const int *v)
{
    fprintf(f, "static const int %s%d[] = {", what, k);
    for (int i = 0; i < n; i++) fprintf(f, "%d,", v[i]);
    fprintf(f, "0};\n");
}

void emu_add(struct emu *e, const struct artifact *a, const char *label, int nbuffer, const struct emu_buffer *buffer,
             const int *arg, const int *pack)
{
    char name[32];
    int k = e->n;
    if (!e->dir[0]) open_batch(e);
    snprintf(name, sizeof name, "k%d.o", k);
    FILE *object = file_in(e, name);
    fwrite(a->bytes, 1, a->size, object);
    fclose(object);
    fprintf(e->table, "static const struct guest_buffer b%d[] = {", k);
    for (int i = 0; i < nbuffer; i++) {
        const struct emu_buffer *b = &buffer[i];
        long before = put(e, b->before, b->bytes), after = put(e, b->after, b->bytes), mask = put(e, b->mask, b->bytes);
        fprintf(e->table, "{%ld,%ld,%ld,%ld,%d},", (long)b->bytes, before, after, mask, b->floats);
    }
    fprintf(e->table, "};\nint %s_call(void **);\n", a->name);
    if (a->pack_name) fprintf(e->table, "int %s_call(void **);\n", a->pack_name);
    put_ints(e->table, "a", k, a->narg, arg);
    put_ints(e->table, "p", k, a->npack, pack);
    fprintf(e->list, "{%s_call,%s%s,%d,%d,%d,b%d,a%d,p%d,%ld,%ld},\n", a->name, a->pack_name ? a->pack_name : "0",
            a->pack_name ? "_call" : "", nbuffer, a->narg, a->npack, k, k, k, (long)a->workspace, (long)a->pack_workspace);
    if (e->n == e->cap) {
        e->cap = e->cap ? 2 * e->cap : 64;
        e->label = realloc(e->label, (size_t)e->cap * sizeof *e->label);
    }
    e->label[e->n++] = strdup(label);
}

/* ---- running ---- */

static bool build(struct emu *e)
{
    char command[1024];
    const char *src = getenv("QJ_SRC");
    fprintf(e->table, "const struct guest_case guest_case[] = {\n#include \"list.h\"\n};\nconst int guest_ncase = %d;\n"
            "__asm__(\".section .rodata\\n.balign 64\\n.globl guest_data\\nguest_data: .incbin \\\"%s/data.bin\\\"\\n.byte 0\\n.text\\n\");\n",
            e->n, e->dir);
    close_files(e);
    snprintf(command, sizeof command, "cd '%s' && %s -I'%s' '%s/tests/emu/guest/guest.c' '%s/tests/support/guard.c' table.c k*.o -o guest",
             e->dir, e->machine->build, src ? src : QJ_SOURCE_DIR, src ? src : QJ_SOURCE_DIR, src ? src : QJ_SOURCE_DIR);
    return system(command) == 0;
}

/* From case `first` on. Returns the case it died in, e->n when it came to its end, -1 when it did not start. */
static int run_from(struct emu *e, int first, int *bad)
{
    char command[256], line[256];
    int last = -1, k;
    bool end = false;
    snprintf(command, sizeof command, "cd '%s' && exec %s ./guest %d", e->dir, e->machine->run, first);
    FILE *out = popen(command, "r");
    while (out && fgets(line, sizeof line, out)) {
        if (sscanf(line, "run %d", &k) == 1) last = k;
        if (!strncmp(line, "bad ", 4) && sscanf(line, "bad %d", &k) == 1 && k >= 0 && k < e->n) {
            fprintf(stderr, "%s\n%s", e->label[k], line);
            ++*bad;
        }
        end |= !strcmp(line, "end\n");
    }
    if (out) pclose(out);
    return end ? e->n : last;
}

int emu_run(struct emu *e)
{
    int bad = 0;
    if (!e->n) return 0;
    if (!build(e)) bad = -1;
    for (int at = 0; bad >= 0 && at < e->n;) {
        int died = run_from(e, at, &bad);
        if (died < at) {
            fprintf(stderr, "%s: the emulator did not start\n", e->machine->run);
            bad = -1;
        } else if (died < e->n) {
            fprintf(stderr, "%s\nit died\n", e->label[died]);
            bad++;
        }
        at = died + 1;
    }
    forget(e);
    return bad;
}

/* ---- lowered schedules ---- */

enum { MAX_BUFFERS = 128 };

/* Buffers of a call, with the memory that holds their images. */
struct images { int n; struct emu_buffer at[MAX_BUFFERS]; void *owned[3 * MAX_BUFFERS]; int nowned; };

static void *image(struct images *im, const struct oracle *o, const struct kernel_arg *a, int64_t bytes, int filler, bool ones)
{
    void *p = im->owned[im->nowned++] = malloc((size_t)bytes + 1);
    memset(p, filler, (size_t)bytes);
    if (o) harness_image(o, a, p, ones);
    return p;
}

static int add_image(struct images *im, const struct oracle *o, const struct kernel_arg *a)
{
    int64_t bytes = buffer_elems(a->buffer) * dt_bytes(a->buffer->dt), logical = dt_bytes(a->tensor->dt);
    for (int d = 0; d < a->tensor->ndim; d++) logical *= a->tensor->shape[d];
    struct emu_buffer *b = &im->at[im->n];
    *b = (struct emu_buffer){.bytes = bytes, .floats = a->buffer->dt == DT_F32};
    if (a->role == ARG_INPUT || a->role == ARG_WEIGHT) b->before = image(im, o, a, bytes, 0xa5, false);
    if (a->role == ARG_OUTPUT) {
        b->after = image(im, o, a, bytes, 0, false);
        if (bytes != logical) b->mask = image(im, o, a, bytes, 0, true);
    }
    return im->n++;
}

bool emu_check(struct emu *e, struct ir_ctx *c, const struct lowered *l, const struct oracle *o, bool may_refuse)
{
    struct artifact *a = emu_compile(e, c, l, &(struct cg_options){.kind = CG_OBJ});
    if (!a) {
        bool refusal = may_refuse && (c->err.first.code == ERR_UNSUPPORTED || c->err.first.code == ERR_FEATURE);
        if (!refusal) show_error(c);
        err_clear(&c->err);
        return refusal;
    }
    struct images im = {0};
    int arg[MAX_BUFFERS] = {0}, pack[MAX_BUFFERS] = {0}, n = l->main->narg, np = l->pack ? l->pack->narg : 0;
    for (int i = 0; i < n; i++) arg[i] = add_image(&im, o, &l->arg[i]);
    for (int i = 0; i < np; i++) {
        pack[i] = -1;
        for (int k = 0; k < n && l->pack_arg[i].role == ARG_PACKED; k++)
            if (l->arg[k].tensor == l->pack_arg[i].tensor) pack[i] = arg[k];
        if (pack[i] < 0) pack[i] = add_image(&im, o, &l->pack_arg[i]);
    }
    struct str label = str_on(&c->arena);
    str_printf(&label, "target %s\n%s\n%s", a->target, a->program, a->steps);
    emu_add(e, a, str_text(&label), im.n, im.at, arg, pack);
    for (int i = 0; i < im.nowned; i++) free(im.owned[i]);
    artifact_free(a);
    return true;
}
