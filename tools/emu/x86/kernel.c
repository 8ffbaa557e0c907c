/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.c - runs one static x86-64 Linux program in ring 3 of a PC that Bochs emulates, with AVX-512 enabled, and turns
 * the machine off. It gives what a single-threaded C program needs that computes and prints: memory with page protection,
 * standard input, output and errors. No files, threads, signals, time.
 *
 *     0x10000     text: SIZE of the program, SIZE of standard input, then argv's words
 *     1 MiB       this        2 MiB  page tables
 *     4 MiB       the program's ELF file, then at the next page standard input
 *     255 MiB     code that replaces instructions (see replace_vnni and what follows it)
 *     256 MiB     the program, linked there, and its heap; then what it maps; its stack ends at 768 MiB
 *
 * Physical memory is mapped once more at PHYSICAL, for the kernel. Standard output leaves through the first serial port;
 * errors through the second, whose last line is "exit N". */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#define MiB 1048576ul
enum { PAGE = 4096, PRESENT = 1, WRITE = 2, USER = 4, LARGE = 0x80, TAKEN = 0x200 };
enum { OUT = 0x3f8, ERRORS = 0x2f8 };
#define INFO 0x10000ul
#define TABLES (2 * MiB)
#define PAYLOAD (4 * MiB)
#define REPLACED (255 * MiB)
#define PROGRAM (256 * MiB)
#define ARENA (384 * MiB)
#define STACK (760 * MiB)
#define MEMORY (768 * MiB)
#define PHYSICAL 0x8000000000ul

struct frame { uint64_t vector, error, rip, cs, flags, rsp, ss; };
extern uint64_t gdt[];
extern char exception_stub[], stack_top[];
void enter_syscall(void);
_Noreturn void enter_user(uint64_t rip, uint64_t rsp);
_Noreturn void kernel_main(void);
uint64_t kernel_syscall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
void kernel_fault(struct frame *f, uint64_t address);

static void out8(int port, uint8_t v) { __asm__ volatile("outb %0, %w1" ::"a"(v), "Nd"(port)); }
static uint8_t in8(int port)
{
    uint8_t v;
    __asm__ volatile("inb %w1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static void write_msr(uint32_t m, uint64_t v)
{
    __asm__ volatile("wrmsr" ::"c"(m), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}
static void copy(void *to, const void *from, uint64_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}
static void zero(void *p, uint64_t n) { __asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(0) : "memory"); }
static void *physical(uint64_t at) { return (void *)(PHYSICAL + at); }

/* ---- output, and the end ---- */

static void put(int port, const char *p, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        while (!(in8(port + 5) & 0x20)) { }
        out8(port, (uint8_t)p[i]);
    }
}

static void say(const char *text)
{
    uint64_t n = 0;
    while (text[n]) n++;
    put(ERRORS, text, n);
}

static void say_number(uint64_t v, unsigned base)
{
    char t[24], *p = t + sizeof t;
    *--p = 0;
    do *--p = "0123456789abcdef"[v % base];
    while (v /= base);
    say(p);
}

static _Noreturn void finish(uint64_t status)
{
    say("exit ");
    say_number(status, 10);
    say("\n");
    for (int port = OUT; port; port = port == OUT ? ERRORS : 0)
        while ((in8(port + 5) & 0x60) != 0x60) { }
    for (const char *s = "Shutdown"; *s; s++) out8(0x8900, (uint8_t)*s);
    for (;;) __asm__ volatile("hlt");
}

static _Noreturn void die(const char *why)
{
    say(why);
    say("\n");
    finish(125);
}

/* ---- memory ---- */

static uint64_t *entry_of(uint64_t at) { return (uint64_t *)physical(TABLES) + at / PAGE; }

/* Pages as the program may use them: anything, or nothing. */
static void map(uint64_t from, uint64_t to, int usable)
{
    for (uint64_t at = from; at < to; at += PAGE) {
        *entry_of(at) = at | TAKEN | (usable ? PRESENT | WRITE | USER : 0);
        __asm__ volatile("invlpg (%0)" ::"r"(at) : "memory");
    }
}

static void unmap(uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to; at += PAGE) {
        *entry_of(at) = 0;
        __asm__ volatile("invlpg (%0)" ::"r"(at) : "memory");
    }
}

static uint64_t round_up(uint64_t n) { return (n + PAGE - 1) & -(uint64_t)PAGE; }
static int inside(uint64_t at, uint64_t n, uint64_t from, uint64_t to)
{
    return at >= from && n <= to - from && at <= to - n;
}

static uint64_t map_anywhere(uint64_t n, int usable)
{
    uint64_t from = ARENA;
    for (uint64_t at = ARENA; at < STACK - 8 * MiB; at += PAGE) {
        if (*entry_of(at)) from = at + PAGE;
        if (at + PAGE - from < n) continue;
        zero(physical(from), n);
        map(from, from + n, usable);
        return from;
    }
    return 0;
}

static uint64_t heap, heap_end;

static uint64_t set_break(uint64_t to)
{
    if (to >= heap && to < ARENA) {
        if (to > heap_end) zero(physical(heap_end), round_up(to) - heap_end);
        map(heap, round_up(to), 1);
        heap_end = round_up(to);
        return to;
    }
    return heap_end;
}

/* ---- system calls, by Linux's numbers ---- */

static uint64_t input, input_end;       /* what is left of standard input */

static uint64_t min(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t read_input(uint64_t to, uint64_t n)
{
    n = min(n, input_end - input);
    copy((void *)to, physical(input), n);
    input += n;
    return n;
}

static uint64_t write_vector(int port, const uint64_t *v, uint64_t n)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        put(port, (const char *)v[2 * i], v[2 * i + 1]);
        sum += v[2 * i + 1];
    }
    return sum;
}

static uint64_t status_of(uint64_t p)
{
    zero((void *)p, 144);
    ((uint32_t *)p)[6] = 0010644;       /* a pipe: buffered */
    return 0;
}

enum { ENOENT = 2, EBADF = 9, ENOMEM = 12, EINVAL = 22, ENOTTY = 25, ESPIPE = 29, ENOSYS = 38 };

uint64_t kernel_syscall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    int port = a == 1 ? OUT : ERRORS;
    uint64_t at;
    (void)e;
    switch (nr) {
    case 0: return a ? (uint64_t)-EBADF : read_input(b, c);
    case 1: put(port, (const char *)b, c); return c;                    /* write */
    case 20: return write_vector(port, (const uint64_t *)b, c);         /* writev */
    case 5: return status_of(b);                                        /* fstat */
    case 262: return status_of(c);                                      /* newfstatat */
    case 3: return 0;                                                   /* close */
    case 8: return (uint64_t)-ESPIPE;                                   /* lseek */
    case 16: return (uint64_t)-ENOTTY;                                  /* ioctl */
    case 9:                                                             /* mmap: anonymous, anywhere */
        if (!(d & 0x20) || d & 0x10 || !b) return (uint64_t)-EINVAL;
        at = map_anywhere(round_up(b), c != 0);
        return at ? at : (uint64_t)-ENOMEM;
    case 10:                                                            /* mprotect: all or nothing */
        if (inside(a, round_up(b), ARENA, STACK)) map(a, a + round_up(b), c != 0);
        return 0;
    case 11:                                                            /* munmap */
        if (!inside(a, round_up(b), ARENA, STACK)) return (uint64_t)-EINVAL;
        unmap(a, a + round_up(b));
        return 0;
    case 12: return set_break(a);
    case 28: case 13: case 14: case 131: case 273: return 0;            /* madvise, signals, robust list */
    case 39: case 186: case 218: return 1;                              /* getpid, gettid, set_tid_address */
    case 89: case 267: return (uint64_t)-ENOENT;                        /* readlink, readlinkat */
    case 158:                                                           /* arch_prctl: ARCH_SET_FS */
        if (a != 0x1002) return (uint64_t)-EINVAL;
        write_msr(0xc0000100, b);
        return 0;
    case 302: return (uint64_t)-ENOSYS;                                 /* prlimit64 */
    case 318: zero((void *)a, b); return b;                             /* getrandom: the same each time */
    case 334: return (uint64_t)-ENOSYS;                                 /* rseq */
    case 234: finish(128 + c);                                          /* tgkill: abort */
    case 60: case 231: finish(a & 255);                                 /* exit */
    default:
        say("system call ");
        say_number(nr, 10);
        die(" is not there");
    }
}

/* ---- exceptions ---- */

enum { SAVED = 64 };                    /* a vector register's place, before the twins */
static uint8_t *replacement = (uint8_t *)REPLACED + SAVED;

static uint8_t *put32(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 4; i++) *p++ = (uint8_t)(v >> 8 * i);
    return p;
}

static int64_t get_signed(const uint8_t *p, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++) v |= (uint32_t)p[i] << 8 * i;
    return n == 1 ? (int8_t)v : (int32_t)v;
}

/* The instruction at p, of at least 5 bytes, becomes a jump to its twin, which jumps back. The twin begins with `head`, an
 * EVEX prefix and opcode, and ends in the same immediate operand of `imm` bytes. A displacement of one byte, which counts
 * in units of `scale` at p, becomes one of four, which always counts bytes. False: no room is left for twins. */
static int replace(uint8_t *p, const uint8_t *head, const uint8_t *modrm, int scale, int imm)
{
    uint8_t *q = replacement, mode = *modrm >> 6, rm = *modrm & 7;
    const uint8_t *from = modrm + 1;
    if ((uint64_t)q + 32 > PROGRAM) return 0;
    copy(q, head, 5);
    q += 5;
    *q++ = mode == 1 ? (uint8_t)(*modrm ^ 0xc0) : *modrm;
    int ndisp = mode == 1 ? 1 : mode == 2 || (mode == 0 && rm == 5) ? 4 : 0;
    if (mode != 3 && rm == 4) {
        if (mode == 0 && (*from & 7) == 5) ndisp = 4;
        *q++ = *from++;
    }
    const uint8_t *next = from + ndisp + imm;
    if (ndisp) {
        int64_t disp = get_signed(from, ndisp) * (ndisp == 1 ? scale : 1);
        if (mode == 0 && rm == 5) disp += next - (q + 4 + imm);         /* relative to the next instruction */
        q = put32(q, (uint64_t)disp);
    }
    copy(q, next - imm, (uint64_t)imm);
    q += imm;
    *q++ = 0xe9;
    q = put32(q, (uint64_t)(next - (q + 4)));
    p[0] = 0xe9;
    put32(p + 1, (uint64_t)(replacement - (p + 5)));
    replacement = q;
    return 1;
}

/* Bochs' CPUs have vpdpbusd, vpdpbusds, vpdpwssd and vpdpwssds in AVX512-VNNI's encoding but not in AVX-VNNI's. Both do
 * the same. False: p is something else. */
static int replace_vnni(uint8_t *p)
{
    if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || (p[2] & 0x83) != 1 || p[3] < 0x50 || p[3] > 0x53) return 0;
    const uint8_t head[5] = {0x62, (uint8_t)((p[1] & 0xe0) | 0x12 | (p[4] >> 6 == 3 ? 0x40 : 0)), p[2] | 4,
                             (uint8_t)((p[2] & 4) << 3 | 8), p[3]};
    return replace(p, head, p + 4, 1, 0);
}

/* vmovdqu64 between zmm0 to zmm7 and SAVED; opcode 0x7f stores, 0x6f loads. */
static uint8_t *put_move(uint8_t *q, uint8_t opcode, int reg)
{
    const uint8_t move[6] = {0x62, 0xf1, 0xfe, 0x48, opcode, (uint8_t)(reg << 3 | 5)};
    copy(q, move, sizeof move);
    return put32(q + 6, (uint64_t)((uint8_t *)REPLACED - (q + 10)));
}

/* Bochs 2.7 refuses gathers and scatters whose indices are in zmm16 to zmm31. The twin has them in zmm0, or zmm1 where the
 * data are in zmm0, which is saved around it. False: p is something else, or no room is left. */
static int replace_high_index(uint8_t *p)
{
    if (p[0] != 0x62 || (p[1] & 0x0f) != 2 || (p[2] & 7) != 5 || p[3] & 8 || p[5] >> 6 == 3) return 0;
    if ((p[4] & 0xfc) != 0x90 && (p[4] & 0xfc) != 0xa0) return 0;
    uint8_t *q = replacement;
    if ((uint64_t)q + 64 > PROGRAM) return 0;
    int data = (p[5] >> 3 & 7) | (p[1] & 0x80 ? 0 : 8) | (p[1] & 0x10 ? 0 : 16), low = data == 0;
    int n = 7 + (p[5] >> 6 == 1 ? 1 : p[5] >> 6 == 2 || (p[6] & 7) == 5 ? 4 : 0);
    const uint8_t move[6] = {0x62, (uint8_t)(0x91 | (p[1] & 0x40) >> 1), 0xfe, 0x48, 0x6f,
                             (uint8_t)(0xc0 | low << 3 | (p[6] >> 3 & 7))};
    q = put_move(q, 0x7f, low);
    copy(q, move, sizeof move);
    q += sizeof move;
    copy(q, p, (uint64_t)n);
    q[1] |= 0x40;
    q[3] |= 8;
    q[6] = (uint8_t)((q[6] & 0xc7) | low << 3);
    q = put_move(q + n, 0x6f, low);
    *q++ = 0xe9;
    q = put32(q, (uint64_t)(p + n - (q + 4)));
    p[0] = 0xe9;
    put32(p + 1, (uint64_t)(replacement - (p + 5)));
    replacement = q;
    return 1;
}

/* Bochs 2.7 scales the displacement of a byte of two instructions wrongly: vpinsrb from memory by 2, vpextrw to memory by 1,
 * both with an EVEX prefix. They are looked for at every byte: what is no instruction looks like one of
 * them once in 2^32. */
static void replace_misread(uint8_t *from, const uint8_t *to)
{
    for (uint8_t *p = from; p + 9 < to; p++) {
        if (p[0] != 0x62 || (p[1] & 0x0f) != 3 || (p[2] & 0x07) != 5 || (p[3] & 0xf7) || p[5] >> 6 != 1) continue;
        if (p[4] == 0x20 || p[4] == 0x15) replace(p, p, p + 5, p[4] == 0x20 ? 1 : 2, 1);
    }
}

void kernel_fault(struct frame *f, uint64_t address)
{
    static const char *const name[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "?", "#TS", "#NP",
                                       "#SS", "#GP", "#PF", "?", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};
    uint8_t *at = (uint8_t *)f->rip;
    if (f->vector == 6 && f->rip >= PROGRAM && (replace_vnni(at) || replace_high_index(at))) return;
    say(name[f->vector]);
    say(f->cs & 3 ? " at " : " in the kernel at ");
    say_number(f->rip, 16);
    if (f->vector == 14) {
        say(f->error & 2 ? ", writing " : ", reading ");
        say_number(address, 16);
    }
    if (f->rip >= PROGRAM) {
        say(":");
        for (int i = 0; i < 12; i++) {
            say(" ");
            say_number(((uint8_t *)f->rip)[i], 16);
        }
    }
    say("\n");
    finish(128 + 11);
}

/* ---- start ---- */

static uint64_t number(const char **p)
{
    uint64_t v = 0;
    while (**p >= '0' && **p <= '9') v = 10 * v + (uint64_t)(*(*p)++ - '0');
    if (**p == ' ') ++*p;
    return v;
}

static void set_up_paging(void)
{
    static _Alignas(PAGE) uint64_t top[512], gib[512], high[512], mid[512];
    top[0] = (uint64_t)gib | PRESENT | WRITE | USER;
    top[1] = (uint64_t)high | PRESENT | WRITE;
    gib[0] = (uint64_t)mid | PRESENT | WRITE | USER;
    for (uint64_t i = 0; i < 4; i++) high[i] = i << 30 | LARGE | WRITE | PRESENT;
    for (uint64_t i = 0; i < MEMORY / (2 * MiB); i++) mid[i] = (TABLES + i * PAGE) | PRESENT | WRITE | USER;
    mid[0] = LARGE | PRESENT | WRITE;                                   /* the kernel's own: not the program's */
    __asm__ volatile("mov %0, %%cr3" ::"r"(top) : "memory");
}

static void set_up_traps(void)
{
    static struct __attribute__((packed)) { uint32_t r; uint64_t rsp[3], r1, ist[7], r2; uint16_t r3, io; } task;
    static struct __attribute__((packed)) {
        uint16_t at0, code;
        uint8_t ist, flags;
        uint16_t at1;
        uint32_t at2, zero;
    } gate[22];
    uint64_t at = (uint64_t)&task;
    task.rsp[0] = (uint64_t)stack_top;
    task.io = sizeof task;
    gdt[5] = (sizeof task - 1) | (at & 0xffffff) << 16 | 0x89ul << 40 | (at >> 24 & 255) << 56;
    gdt[6] = at >> 32;
    __asm__ volatile("ltr %w0" ::"r"(0x28));
    for (int i = 0; i < 22; i++) {
        at = (uint64_t)exception_stub + 16 * (uint64_t)i;
        gate[i].at0 = (uint16_t)at;
        gate[i].code = 8;
        gate[i].flags = 0x8e;
        gate[i].at1 = (uint16_t)(at >> 16);
        gate[i].at2 = (uint32_t)(at >> 32);
    }
    struct __attribute__((packed)) { uint16_t limit; uint64_t base; } table = {sizeof gate - 1, (uint64_t)gate};
    __asm__ volatile("lidt %0" ::"m"(table));
    write_msr(0xc0000080, 0x501);                                       /* long mode, syscall */
    write_msr(0xc0000081, 0x13ul << 48 | 8ul << 32);
    write_msr(0xc0000082, (uint64_t)enter_syscall);
    write_msr(0xc0000084, 0x47700);
}

static void set_up_vectors(void)
{
    uint64_t r;
    __asm__ volatile("mov %%cr0, %0" : "=r"(r));
    r = (r & ~0x6000000cul) | 0x10022;                                  /* caches and x87 on, WP */
    __asm__ volatile("mov %0, %%cr0" ::"r"(r));
    __asm__ volatile("mov %%cr4, %0" : "=r"(r));
    r |= 0x600 | 0x40000;                                               /* OSFXSR, OSXMMEXCPT, OSXSAVE */
    __asm__ volatile("mov %0, %%cr4" ::"r"(r));
    __asm__ volatile("xsetbv" ::"c"(0), "a"(0xe7), "d"(0));             /* up to zmm31 */
    __asm__ volatile("fninit");
    __asm__ volatile("ldmxcsr %0" ::"m"((const uint32_t){0x1f80}));
}

static const Elf64_Ehdr *load_program(uint64_t size)
{
    const Elf64_Ehdr *h = physical(PAYLOAD);
    const Elf64_Phdr *p = physical(PAYLOAD + h->e_phoff);
    if (size < sizeof *h || h->e_type != ET_EXEC || h->e_machine != EM_X86_64) die("not a static x86-64 program");
    for (int i = 0; i < h->e_phnum; i++) {
        if (p[i].p_type != PT_LOAD) continue;
        if (!inside(p[i].p_vaddr, p[i].p_memsz, PROGRAM, ARENA))
            die("the program is not linked at 256 MiB, or too large");
        copy(physical(p[i].p_vaddr), physical(PAYLOAD + p[i].p_offset), p[i].p_filesz);
        if (p[i].p_vaddr + p[i].p_memsz > heap) heap = p[i].p_vaddr + p[i].p_memsz;
    }
    heap = heap_end = round_up(heap);
    map(REPLACED, heap, 1);
    for (int i = 0; i < h->e_phnum; i++)
        if (p[i].p_type == PT_LOAD && p[i].p_flags & PF_X)
            replace_misread((uint8_t *)p[i].p_vaddr, (uint8_t *)p[i].p_vaddr + p[i].p_filesz);
    return h;
}

_Noreturn void kernel_main(void)
{
    for (int port = OUT; port; port = port == OUT ? ERRORS : 0) {
        out8(port + 1, 0);
        out8(port + 3, 0x83);
        out8(port, 1);                                                  /* 115200 baud */
        out8(port + 1, 0);
        out8(port + 3, 3);
    }
    set_up_paging();
    set_up_traps();
    set_up_vectors();
    const char *info = physical(INFO);
    uint64_t size = number(&info), nin = number(&info);
    const Elf64_Ehdr *h = load_program(size);
    input = PAYLOAD + round_up(size);
    input_end = input + nin;
    if (input_end > REPLACED) die("too much input");
    map(STACK - 8 * MiB, STACK, 1);
    uint64_t *stack = (uint64_t *)(STACK - 65536), argc = 0;
    char *word = (char *)(STACK - 32768);
    for (char *w = word; *info && argc < 64; argc++) {                  /* argv: each word once, where it is copied */
        stack[1 + argc] = (uint64_t)w;
        while (*info && *info != ' ') *w++ = *info++;
        *w++ = 0;
        if (*info) info++;
    }
    stack[0] = argc;
    const uint64_t aux[] = {AT_PHDR, PROGRAM + h->e_phoff, AT_PHENT, h->e_phentsize, AT_PHNUM, h->e_phnum, AT_PAGESZ, PAGE,
                            AT_ENTRY, h->e_entry, AT_RANDOM, (uint64_t)word, AT_NULL, 0};
    copy(stack + argc + 3, aux, sizeof aux);                            /* behind argv and an empty environment */
    enter_user(h->e_entry, (uint64_t)stack);
}
