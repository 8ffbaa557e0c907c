/* SPDX-License-Identifier: Apache-2.0 */
/* emu.c - contract in emu.h. A batch becomes a directory: an object a kernel, the data in one file, the table guest.h
 * describes as C; one static program is linked of it with the emulated machine's compiler. */
#include "tools/emu/emu.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "targets/family.h"
#include "tools/emu/files.h"

/* `build` makes ./guest of the sources; `run` comes before it. Words are the shell's. A program with a slash is a
 * pattern of paths. */
struct emu_machine {
    const struct family *family;
    const char *cpu, *more, *less;      /* its features: the CPU's (NULL: all of the family), one more, one less; NULL: none */
    struct { const char *program, *package; } needs[4];
    const char *build, *run;
};

/* By the bytes of SVE registers: those that code for `less` could not do with, and not a byte more than it says. */
#define AARCH64(less, bytes)                                                                                                      \
    {&family_aarch64, NULL, NULL, less,                                                                                           \
     {{"aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"}, {"qemu-aarch64-static", "qemu-user-static"}},     \
     "aarch64-linux-gnu-gcc -std=gnu11 -O1 -static", "qemu-aarch64-static -cpu max,sve-default-vector-length=" #bytes}

static const struct emu_machine machines[] = {
    AARCH64("sve256", 16),
    AARCH64("sve512", 32),
    AARCH64(NULL, 64),
    {&family_x86, "tigerlake", "avxvnni", "gfni", /* Bochs 2.7's vgf2p8affineqb inverts */
     {{"x86_64-linux-gnu-gcc", "gcc"}, {"bochs-bin", "bochs"},
      {"/usr/lib/*/bochs/plugins/libbx_term_gui.so", "bochs-term"}},
     "x86_64-linux-gnu-gcc -std=gnu11 -O1 -static -no-pie -Wl,-Ttext-segment=0x10000000", "sh tools/emu/x86/run"},
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

static bool matches(const char *pattern)
{
    glob_t g = {0};
    bool found = !glob(pattern, 0, NULL, &g);
    globfree(&g);
    return found;
}

static uint64_t features_of(const struct emu_machine *m)
{
    uint64_t f = m->cpu ? family_cpu(m->family, m->cpu, strlen(m->cpu))->features : ~UINT64_C(0);
    if (m->more) f |= family_feature(m->family, m->more, strlen(m->more))->bit;
    f = family_closure(m->family, f);
    return m->less ? family_without(m->family, f, family_feature(m->family, m->less, strlen(m->less))->bit) : f;
}

const struct emu_machine *emu_machine_of(const struct target *t)
{
    for (size_t i = 0; i < ARRAY_LEN(machines); i++)
        if (machines[i].family == t->family && !(t->features & ~features_of(&machines[i])))
            return &machines[i];
    return NULL;
}

const char *emu_missing(const struct emu_machine *m, const char **package)
{
    for (int i = 0; m->needs[i].program; i++) {
        const char *program = m->needs[i].program;
        *package = m->needs[i].package;
        if (!(strchr(program, '/') ? matches(program) : on_path(program))) return program;
    }
    return NULL;
}

/* ---- a batch ---- */

struct call { char *label; int nbuffer; size_t *bytes; void **got; };      /* bytes 0: not to be got */

struct emu {
    const struct emu_machine *machine;
    char dir[256];                      /* "": none yet, or it could not be made */
    bool keep, ran;
    int n, cap, objects;
    struct call *call;
    int64_t at;                         /* bytes of data so far */
    char last[128];                     /* the name of the artifact added last */
    FILE *data, *table, *list;          /* list: the end of the table, a line a case; NULL: could not be written */
};

static FILE *file_in(const struct emu *e, const char *name, const char *mode)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", e->dir, name);
    return fopen(path, mode);
}

static bool unpack(const struct emu *e)
{
    char path[400];
    for (const struct emu_file *f = emu_files; f->path; f++) {
        for (const char *slash = strchr(f->path, '/'); slash; slash = strchr(slash + 1, '/')) {
            snprintf(path, sizeof path, "%s/%.*s", e->dir, (int)(slash - f->path), f->path);
            if (mkdir(path, 0700) && errno != EEXIST) return false;
        }
        FILE *out = file_in(e, f->path, "wb");
        if (!out) return false;
        size_t n = (size_t)(f->end - f->text);
        bool ok = fwrite(f->text, 1, n, out) == n;
        if (fclose(out) || !ok) return false;
    }
    return true;
}

static void open_batch(struct emu *e)
{
    const char *tmp = getenv("TMPDIR");
    bool usable = tmp && *tmp && strlen(tmp) < 200 && !strchr(tmp, '\''); /* it stands in the shell's quotes */
    snprintf(e->dir, sizeof e->dir, "%s/qjit-emu.XXXXXX", usable ? tmp : "/tmp");
    if (!mkdtemp(e->dir)) {
        e->dir[0] = 0;
        return;
    }
    if (!unpack(e)) return;
    e->data = file_in(e, "data.bin", "wb");
    e->table = file_in(e, "table.c", "wb");
    e->list = file_in(e, "list.h", "wb");
    if (e->table) fputs("#include \"tools/emu/guest/guest.h\"\n", e->table);
    e->at = 0;
}

/* False: one of them could not be written. */
static bool close_files(struct emu *e)
{
    FILE **file[] = {&e->data, &e->table, &e->list};
    bool ok = true;
    for (size_t i = 0; i < ARRAY_LEN(file); i++) {
        ok &= *file[i] && !ferror(*file[i]);
        if (*file[i] && fclose(*file[i])) ok = false;
        *file[i] = NULL;
    }
    return ok;
}

static void remove_directory(struct emu *e)
{
    char command[400];
    close_files(e);
    if (e->keep && e->dir[0]) fprintf(stderr, "kept %s\n", e->dir);
    snprintf(command, sizeof command, "rm -rf '%s'", e->dir);
    if (e->dir[0] && !e->keep && system(command)) perror(e->dir);
    e->dir[0] = 0;
}

static void forget(struct emu *e)
{
    remove_directory(e);
    for (int i = 0; i < e->n; i++) {
        for (int b = 0; b < e->call[i].nbuffer; b++) free(e->call[i].got[b]);
        free(e->call[i].label);
        free(e->call[i].bytes);
        free(e->call[i].got);
    }
    e->n = e->objects = 0;
    e->last[0] = 0;
    e->ran = false;
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
    free(e->call);
    free(e);
}

void emu_keep(struct emu *e) { e->keep = true; }
int emu_queued(const struct emu *e) { return e->ran ? 0 : e->n; }

const void *emu_got(const struct emu *e, int call, int buffer) { return e->call[call].got[buffer]; }

/* Where the bytes lie in the file. */
static long put(struct emu *e, const void *bytes, int64_t n)
{
    long at = (long)e->at;
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

/* A call without results when memory is out: emu_run finds the files unwritten. */
static void remember(struct emu *e, const char *label, int nbuffer, const struct emu_buffer *buffer)
{
    if (e->n == e->cap) {
        int cap = e->cap ? 2 * e->cap : 64;
        struct call *more = realloc(e->call, (size_t)cap * sizeof *more);
        if (!more) {
            close_files(e);
            return;
        }
        e->call = more;
        e->cap = cap;
    }
    struct call *c = &e->call[e->n++];
    *c = (struct call){.label = strdup(label), .nbuffer = nbuffer};
    c->bytes = calloc((size_t)nbuffer + 1, sizeof *c->bytes);
    c->got = calloc((size_t)nbuffer + 1, sizeof *c->got);
    if (!c->label || !c->bytes || !c->got) {
        c->nbuffer = 0;
        close_files(e);
        return;
    }
    for (int i = 0; i < nbuffer; i++) c->bytes[i] = buffer[i].got ? (size_t)buffer[i].bytes : 0;
}

static void put_object(struct emu *e, const struct artifact *a)
{
    char name[32];
    if (!strcmp(e->last, a->name)) return;
    snprintf(e->last, sizeof e->last, "%s", a->name);
    snprintf(name, sizeof name, "k%d.o", e->objects++);
    FILE *object = file_in(e, name, "wb");
    bool ok = object && fwrite(a->bytes, 1, a->size, object) == a->size;
    if (object && fclose(object)) ok = false;
    if (!ok) close_files(e);
}

void emu_add(struct emu *e, const struct artifact *a, const char *label, int nbuffer, const struct emu_buffer *buffer,
             const int *arg, const int *pack)
{
    if (e->ran) forget(e);
    if (!e->dir[0]) open_batch(e);
    int k = e->n;
    remember(e, label, nbuffer, buffer);
    put_object(e, a);
    if (!e->data || !e->table || !e->list) return; /* emu_run says so */
    fprintf(e->table, "static const struct guest_buffer b%d[] = {", k);
    for (int i = 0; i < nbuffer; i++) {
        const struct emu_buffer *b = &buffer[i];
        long before = put(e, b->before, b->bytes), after = put(e, b->after, b->bytes);
        long mask = put(e, b->mask, b->bytes);
        fprintf(e->table, "{%ld,%ld,%ld,%ld,%d,%d},", (long)b->bytes, before, after, mask, b->floats, b->got);
    }
    fprintf(e->table, "};\nint %s_call(void **);\n", a->name);
    if (a->pack_name) fprintf(e->table, "int %s_call(void **);\n", a->pack_name);
    put_ints(e->table, "a", k, a->narg, arg);
    put_ints(e->table, "p", k, a->npack, pack);
    fprintf(e->list, "{%s_call,%s%s,%d,%d,%d,b%d,a%d,p%d,%ld,%ld},\n", a->name, a->pack_name ? a->pack_name : "0",
            a->pack_name ? "_call" : "", nbuffer, a->narg, a->npack, k, k, k, (long)a->workspace,
            (long)a->pack_workspace);
}

/* ---- running ---- */

/* What the tools had to say. */
static void copy_messages(const struct emu *e, FILE *log)
{
    char line[512];
    FILE *f = file_in(e, "messages", "rb");
    while (f && fgets(line, sizeof line, f)) fputs(line, log);
    if (f) fclose(f);
}

static bool build(struct emu *e, FILE *log)
{
    char command[1024];
    if (e->table)
        fprintf(e->table, "const struct guest_case guest_case[] = {\n#include \"list.h\"\n};\n"
                "const int guest_ncase = %d;\nconst long guest_ndata = %ld;\n", e->n, (long)e->at);
    if (!close_files(e)) {
        fprintf(log, "%s: cannot write what is to be emulated\n", e->dir[0] ? e->dir : "$TMPDIR");
        return false;
    }
    snprintf(command, sizeof command,
             "cd '%s' && %s -I. -Wl,-z,noexecstack tools/emu/guest/guest.c table.c k*.o -lm -o guest >messages 2>&1",
             e->dir, e->machine->build);
    if (system(command) == 0) return true;
    copy_messages(e, log);
    return false;
}

static void get(struct emu *e, const char *line, FILE *out)
{
    int k, b;
    long n;
    if (sscanf(line, "got %d %d %ld", &k, &b, &n) != 3 || k < 0 || k >= e->n) return;
    if (b < 0 || b >= e->call[k].nbuffer) return;
    if ((size_t)n != e->call[k].bytes[b]) return;
    void *p = malloc((size_t)n + 1);
    if (!p || fread(p, 1, (size_t)n, out) != (size_t)n) {
        free(p);
        return;
    }
    free(e->call[k].got[b]);
    e->call[k].got[b] = p;
}

/* From case `first` on. Returns the case it died in, e->n when it came to its end, -1 when it did not start. */
static int run_from(struct emu *e, int first, int *bad, FILE *log)
{
    char command[1024], line[256];
    int last = -1, k;
    bool end = false;
    snprintf(command, sizeof command, "cd '%s' && exec %s ./guest %d <data.bin 2>messages", e->dir,
             e->machine->run, first);
    FILE *out = popen(command, "r");
    while (out && fgets(line, sizeof line, out)) {
        if (!strncmp(line, "run ", 4) && sscanf(line, "run %d", &k) == 1) last = k;
        if (!strncmp(line, "got ", 4)) get(e, line, out);
        if (!strncmp(line, "bad ", 4) && sscanf(line, "bad %d", &k) == 1 && k >= 0 && k < e->n) {
            fprintf(log, "%s\n%s", e->call[k].label, line);
            ++*bad;
        }
        end |= !strcmp(line, "end\n");
    }
    if (out) pclose(out);
    return end ? e->n : last;
}

int emu_run(struct emu *e, FILE *log)
{
    int bad = 0;
    if (e->ran || !e->n) return 0;
    e->ran = true;
    if (!build(e, log)) bad = -1;
    for (int at = 0; bad >= 0 && at < e->n;) {
        int died = run_from(e, at, &bad, log);
        if (died < at || died < 0) {
            copy_messages(e, log);
            fprintf(log, "%s: the emulator did not start\n", e->machine->run);
            bad = -1;
        } else if (died < e->n) {
            fprintf(log, "%s\nit died: ", e->call[died].label);
            copy_messages(e, log);
            bad++;
        }
        at = died + 1;
    }
    remove_directory(e);
    return bad;
}
