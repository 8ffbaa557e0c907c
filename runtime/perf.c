/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/perf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/unwind.h"

enum { NAME = 320 };

/* gdb's side, defined in LLVM: one list a process, which gdb finds by this name. */
struct jit_code_entry {
    struct jit_code_entry *next, *prev;
    const char *symfile;
    uint64_t symfile_size;
};
extern struct jit_descriptor {
    uint32_t version, action;
    struct jit_code_entry *relevant, *first;
} __jit_debug_descriptor;
extern void __jit_debug_register_code(void);
enum { GDB_NOTHING, GDB_REGISTER, GDB_UNREGISTER };

/* What profilers look for is one a process, so this is too. */
static struct {
    pthread_mutex_t lock;
    uint64_t count;         /* kernels told about */
    int dump;               /* descriptor of the dump; 0: none yet */
    pid_t pid;              /* whose dump it is: a child of fork starts its own */
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct perf {
    struct jit_code_entry gdb;      /* symfile NULL: gdb was not told */
    const uint8_t *unwind;          /* registered; or NULL */
};

unsigned perf_environment(void)
{
    static const struct { const char *word; unsigned bits; } rows[] = {
        {"map", QJ_PROFILE_MAP}, {"dump", QJ_PROFILE_DUMP}, {"gdb", QJ_PROFILE_GDB}, {"unwind", QJ_PROFILE_UNWIND},
        {"all", QJ_PROFILE_MAP | QJ_PROFILE_DUMP | QJ_PROFILE_GDB | QJ_PROFILE_UNWIND}};
    const char *s = secure_getenv("QJIT_PROFILE");
    unsigned bits = 0;
    while (s && *s) {
        size_t n = strcspn(s, ", ");
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if (strlen(rows[i].word) == n && !memcmp(rows[i].word, s, n)) bits |= rows[i].bits;
        s += n + strspn(s + n, ", ");
    }
    return bits;
}

/* ---- names ---- */

struct telling {
    const struct linked *code;
    const char *target;
    uint32_t digest;
    uint64_t number;
    char *why;
};

static void fail(struct telling *t, const char *what, const char *path, const char *reason)
{
    if (!*t->why) snprintf(t->why, PERF_WHY, "%s: cannot write %.120s: %.80s", what, path, reason);
}

static size_t name_of(const struct telling *t, int i, char out[NAME])
{
    int n = snprintf(out, NAME, "%s[%s#%08" PRIx32 ".%" PRIu64 "]", jit_func(t->code, i).name, t->target, t->digest,
                     t->number);
    return n < NAME ? (size_t)n : NAME - 1;
}

static uint32_t digest_of(const uint8_t *p, size_t n) /* FNV-1a: tells apart, proves nothing */
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 16777619u;
    return h;
}

static bool write_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* ---- perf's map ---- */

/* When this process began, in seconds of the file system's clock, at most 3 early and never late: three numbers are cut to
 * seconds or ticks, and the file system's clock may lag. 0: unknown. */
static int64_t process_began(void)
{
    char text[1024];
    unsigned long long ticks = 0;
    FILE *f = fopen("/proc/self/stat", "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = 0;
    const char *p = strrchr(text, ')'); /* the program's name may hold anything */
    for (int field = 2; p && field < 22; field++) p = strchr(p + 1, ' ');
    struct timespec up, now;
    if (!p || sscanf(p, "%llu", &ticks) != 1 || clock_gettime(CLOCK_BOOTTIME, &up) || clock_gettime(CLOCK_REALTIME, &now))
        return 0;
    return now.tv_sec - up.tv_sec - 2 + (int64_t)(ticks / (unsigned long long)sysconf(_SC_CLK_TCK));
}

static bool covers(const struct telling *t, uint64_t at, uint64_t size)
{
    for (int i = 0; i < jit_nfuncs(t->code); i++) {
        struct jit_func f = jit_func(t->code, i);
        uint64_t begin = (uintptr_t)f.at;
        if (f.at && at < begin + f.size && begin < at + size) return true;
    }
    return false;
}

/* The map's text without lines whose addresses are ours now; in place, returns its new length. */
static size_t drop_reused(const struct telling *t, char *text, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n;) {
        const char *end = memchr(text + i, '\n', n - i);
        size_t len = end ? (size_t)(end - text) + 1 - i : n - i;
        uint64_t at, size;
        bool reused = sscanf(text + i, "%" SCNx64 " %" SCNx64, &at, &size) == 2 && covers(t, at, size);
        if (!reused) {
            memmove(text + kept, text + i, len);
            kept += len;
        }
        i += len;
    }
    return kept;
}

/* With the file locked. */
static bool update_map(struct telling *t, int fd, off_t size)
{
    char *text = malloc((size_t)size + 1), name[NAME];
    bool ok = text && pread(fd, text, (size_t)size, 0) == size;
    if (ok) {
        text[size] = 0;
        size_t kept = drop_reused(t, text, (size_t)size);
        ok = kept == (size_t)size
             || (pwrite(fd, text, kept, 0) == (ssize_t)kept && ftruncate(fd, (off_t)kept) == 0);
        ok = ok && lseek(fd, (off_t)kept, SEEK_SET) >= 0;
    }
    free(text);
    for (int i = 0; ok && i < jit_nfuncs(t->code); i++) {
        struct jit_func f = jit_func(t->code, i);
        char line[NAME + 64];
        if (!f.at) continue;
        name_of(t, i, name);
        int len = snprintf(line, sizeof line, "%" PRIxPTR " %zx %s\n", (uintptr_t)f.at, f.size, name);
        ok = write_all(fd, line, (size_t)len);
    }
    return ok;
}

static void tell_map(struct telling *t)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0) return fail(t, "perf map", path, strerror(errno));
    struct stat st;
    const char *bad = NULL;
    if (fstat(fd, &st)) bad = strerror(errno);
    else if (!S_ISREG(st.st_mode)) bad = "it is not a regular file";
    else if (st.st_uid != geteuid()) bad = "it belongs to another user";
    else if (st.st_nlink != 1) bad = "it has another name";
    while (!bad && flock(fd, LOCK_EX) < 0 && errno == EINTR) continue; /* another user's file could be locked for ever */
    if (!bad && fstat(fd, &st)) bad = strerror(errno);
    if (!bad && st.st_size && st.st_mtime < process_began()) { /* an earlier process had this number */
        if (ftruncate(fd, 0)) bad = strerror(errno);
        st.st_size = 0;
    }
    if (!bad && !update_map(t, fd, st.st_size)) bad = strerror(errno);
    if (bad) fail(t, "perf map", path, bad);
    close(fd);
}

/* ---- perf's dump: tools/perf/Documentation/jitdump-specification.txt ---- */

enum { DUMP_MAGIC = 0x4A695444, DUMP_VERSION = 1, DUMP_CODE_LOAD = 0 };
struct dump_header { uint32_t magic, version, size, machine, pad, pid; uint64_t time, flags; };
struct dump_load {
    uint32_t id, size;
    uint64_t time;
    uint32_t pid, tid;
    uint64_t vma, address, code_size, index;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A new dump in a directory that nobody else writes to. With the lock held; false: why says it. */
static bool open_dump(struct telling *t)
{
    const char *base = secure_getenv("JITDUMPDIR");
    char path[3072], file[3200];
    if (!base || !*base) base = secure_getenv("HOME");
    if (!base || !*base) return fail(t, "perf dump", "jit.dump", "neither JITDUMPDIR nor HOME is set"), false;
    if (strlen(base) > 3000) return fail(t, "perf dump", "jit.dump", "the directory's name is too long"), false;
    snprintf(path, sizeof path, "%s/.debug", base);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/.debug/jit", base);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/.debug/jit/qjit-XXXXXX", base);
    if (!mkdtemp(path)) return fail(t, "perf dump", path, strerror(errno)), false;
    snprintf(file, sizeof file, "%s/jit-%d.dump", path, (int)getpid());
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct dump_header h = {DUMP_MAGIC, DUMP_VERSION, sizeof h, 0, 0, (uint32_t)getpid(), now_ns(), 0};
#if defined(__aarch64__)
    h.machine = EM_AARCH64;
#else
    h.machine = EM_X86_64;
#endif
    /* perf record sees the mapping, and so learns of the file; it stays as long as the process. */
    if (fd < 0 || !write_all(fd, &h, sizeof h)
        || mmap(NULL, sizeof h, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED) {
        fail(t, "perf dump", file, strerror(errno));
        if (fd >= 0) close(fd);
        return false;
    }
    if (process.pid) close(process.dump); /* the parent's */
    process.dump = fd;
    process.pid = getpid();
    return true;
}

static void tell_dump(struct telling *t)
{
    pthread_mutex_lock(&process.lock);
    bool open = process.pid == getpid() || open_dump(t);
    for (int i = 0; open && i < jit_nfuncs(t->code); i++) {
        struct jit_func f = jit_func(t->code, i);
        char name[NAME];
        if (!f.at) continue;
        size_t n = name_of(t, i, name) + 1;
        struct dump_load r = {DUMP_CODE_LOAD, 0, now_ns(), (uint32_t)getpid(), (uint32_t)syscall(SYS_gettid), (uintptr_t)f.at,
                              (uintptr_t)f.at, f.size, t->number << 16 | (uint64_t)i};
        r.size = (uint32_t)(sizeof r + n + f.size);
        if (!write_all(process.dump, &r, sizeof r) || !write_all(process.dump, name, n)
            || !write_all(process.dump, f.at, f.size)) {
            fail(t, "perf dump", "jit.dump", strerror(errno));
            break;
        }
    }
    pthread_mutex_unlock(&process.lock);
}

/* ---- gdb ---- */

/* A symbol file: where the code lies, its frames, and the names in it. Sections: none, .text (no bytes), .symtab, .strtab,
 * .eh_frame, left out where there is none. */
static char *symbol_file(const struct telling *t, size_t *size)
{
    enum { TEXT = 1, SYMTAB, STRTAB, UNWIND, NSEC };
    static const char section_names[] = "\0.text\0.symtab\0.strtab\0.eh_frame";
    int n = jit_nfuncs(t->code);
    uint64_t low = UINT64_MAX, high = 0;
    size_t nstr = sizeof section_names, nsym = 1;
    char name[NAME];
    for (int i = 0; i < n; i++) {
        struct jit_func f = jit_func(t->code, i);
        uint64_t at = (uintptr_t)f.at;
        if (!f.at) continue;
        if (at < low) low = at;
        if (at + f.size > high) high = at + f.size;
        nstr += name_of(t, i, name) + 1;
        nsym++;
    }
    size_t symtab = sizeof(Elf64_Ehdr) + NSEC * sizeof(Elf64_Shdr), strtab = symtab + nsym * sizeof(Elf64_Sym);
    size_t unwind = (strtab + nstr + 7) & ~(size_t)7, nunwind;
    const uint8_t *frames = jit_unwind(t->code, &nunwind);
    char *file = nsym > 1 ? calloc(1, unwind + nunwind) : NULL;
    if (!file) return NULL;
    Elf64_Ehdr *h = (Elf64_Ehdr *)file;
    memcpy(h->e_ident, ELFMAG "\2\1\1", 7); /* 64 bits, little-endian, version 1 */
    h->e_type = ET_EXEC;
#if defined(__aarch64__)
    h->e_machine = EM_AARCH64;
#else
    h->e_machine = EM_X86_64;
#endif
    h->e_version = EV_CURRENT;
    h->e_ehsize = sizeof *h;
    h->e_shoff = sizeof *h;
    h->e_shentsize = sizeof(Elf64_Shdr);
    h->e_shnum = frames ? NSEC : UNWIND;
    h->e_shstrndx = STRTAB;
    Elf64_Shdr *s = (Elf64_Shdr *)(file + sizeof *h);
    s[TEXT] = (Elf64_Shdr){.sh_name = 1, .sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addr = low,
                           .sh_size = high - low, .sh_offset = symtab, .sh_addralign = 16};
    s[SYMTAB] = (Elf64_Shdr){.sh_name = 7, .sh_type = SHT_SYMTAB, .sh_offset = symtab, .sh_size = strtab - symtab,
                             .sh_link = STRTAB, .sh_info = 1, .sh_entsize = sizeof(Elf64_Sym), .sh_addralign = 8};
    s[STRTAB] = (Elf64_Shdr){.sh_name = 15, .sh_type = SHT_STRTAB, .sh_offset = strtab, .sh_size = nstr, .sh_addralign = 1};
    if (frames) {
        s[UNWIND] = (Elf64_Shdr){.sh_name = 23, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC, .sh_addr = (uintptr_t)frames,
                                 .sh_size = nunwind, .sh_offset = unwind, .sh_addralign = 8};
        memcpy(file + unwind, frames, nunwind);
    }
    Elf64_Sym *sym = (Elf64_Sym *)(file + symtab) + 1;
    char *str = file + strtab, *next = str + sizeof section_names;
    memcpy(str, section_names, sizeof section_names);
    for (int i = 0; i < n; i++) {
        struct jit_func f = jit_func(t->code, i);
        if (!f.at) continue;
        size_t len = name_of(t, i, name) + 1;
        memcpy(next, name, len);
        *sym++ = (Elf64_Sym){.st_name = (uint32_t)(next - str), .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                             .st_shndx = TEXT, .st_value = (uintptr_t)f.at, .st_size = f.size};
        next += len;
    }
    *size = unwind + nunwind;
    return file;
}

/* With the lock held. gdb stops the process at the call and reads. */
static void show_gdb(uint32_t action, struct jit_code_entry *e)
{
    __jit_debug_descriptor.action = action;
    __jit_debug_descriptor.relevant = e;
    __jit_debug_register_code();
    __jit_debug_descriptor.action = GDB_NOTHING;
    __jit_debug_descriptor.relevant = NULL;
}

static bool tell_gdb(struct telling *t, struct perf *p)
{
    size_t size = 0;
    p->gdb.symfile = symbol_file(t, &size);
    if (!p->gdb.symfile) return fail(t, "gdb", "symbols", "no memory"), false;
    p->gdb.symfile_size = size;
    pthread_mutex_lock(&process.lock);
    p->gdb.next = __jit_debug_descriptor.first;
    if (p->gdb.next) p->gdb.next->prev = &p->gdb;
    __jit_debug_descriptor.first = &p->gdb;
    show_gdb(GDB_REGISTER, &p->gdb);
    pthread_mutex_unlock(&process.lock);
    return true;
}

static void forget_gdb(struct perf *p)
{
    pthread_mutex_lock(&process.lock);
    if (p->gdb.prev) p->gdb.prev->next = p->gdb.next;
    else __jit_debug_descriptor.first = p->gdb.next;
    if (p->gdb.next) p->gdb.next->prev = p->gdb.prev;
    show_gdb(GDB_UNREGISTER, &p->gdb);
    pthread_mutex_unlock(&process.lock);
    free((char *)(uintptr_t)p->gdb.symfile);
}

/* ---- libgcc ---- */

static bool tell_unwinder(struct telling *t, struct perf *p)
{
    size_t n;
    const uint8_t *table = jit_unwind(t->code, &n);
    const char *why = !table ? "the object has none" : !unwind_register(table) ? "this process has no libgcc" : NULL;
    if (why) return fail(t, "unwind", "a table of frames", why), false;
    p->unwind = table;
    return true;
}

/* ---- all of it ---- */

struct perf *perf_tell(unsigned what, const struct linked *code, const char *target, const void *object, size_t n,
                       char why[PERF_WHY])
{
    *why = 0;
    if (!what) return NULL;
    struct telling t = {code, target, digest_of(object, n), 0, why};
    pthread_mutex_lock(&process.lock);
    t.number = ++process.count;
    pthread_mutex_unlock(&process.lock);
    if (what & QJ_PROFILE_MAP) tell_map(&t);
    if (what & QJ_PROFILE_DUMP) tell_dump(&t);
    if (!(what & (QJ_PROFILE_GDB | QJ_PROFILE_UNWIND))) return NULL;
    struct perf *p = calloc(1, sizeof *p);
    if (!p) fail(&t, "gdb", "symbols", "no memory");
    bool gdb = p && (what & QJ_PROFILE_GDB) && tell_gdb(&t, p), unwind = p && (what & QJ_PROFILE_UNWIND) && tell_unwinder(&t, p);
    if (gdb || unwind) return p;
    free(p);
    return NULL;
}

void perf_forget(struct perf *p)
{
    if (!p) return;
    if (p->gdb.symfile) forget_gdb(p);
    if (p->unwind) unwind_forget(p->unwind);
    free(p);
}
