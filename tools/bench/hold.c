/* SPDX-License-Identifier: Apache-2.0 */
/* hold.c - a library that asks the processor itself what it can do is told: AVX2, and nothing later.
 *
 * In a private copy of the file each cpuid (0F A2, found by objdump) becomes rsm (0F AA), an instruction of the same
 * length that is undefined outside system management mode and that no compiler emits. The handler of the fault runs
 * cpuid, clears the bits of leaf 7 that stand for AVX-512, AVX-VNNI and AMX, and goes on behind it. The copy's name has
 * the size and the date of the original, so it is made once for each version. */
#include "tools/bench/bench.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

enum { CPUID_1 = 0xa2, RSM_1 = 0xaa };

static const struct { unsigned leaf, sub, a, b, c, d; } hidden[] = {
    /* ebx: F DQ IFMA PF ER CD BW VL; ecx: VBMI VBMI2 VNNI BITALG VPOPCNTDQ; edx: 4VNNIW 4FMAPS VP2INTERSECT
     * AMX-BF16 FP16 AMX-TILE AMX-INT8 */
    {7, 0, 0, 0xdc230000, 0x00005842, 0x03c0010c},
    /* eax: AVX-VNNI AVX512-BF16 AMX-FP16 AVX-IFMA; edx: AVX-VNNI-INT8 AVX-NE-CONVERT AMX-COMPLEX AVX-VNNI-INT16
     * AVX10 */
    {7, 1, 0x00a00030, 0, 0, 0x00080530},
};

static void answer(int signal_number, siginfo_t *info, void *context)
{
    greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)reg[REG_RIP];
    if (at[0] != 0x0f || at[1] != RSM_1) { /* a fault of somebody else's */
        signal(SIGILL, SIG_DFL);
        return;
    }
    unsigned leaf = (unsigned)reg[REG_RAX], sub = (unsigned)reg[REG_RCX], a, b, c, d;
    __cpuid_count(leaf, sub, a, b, c, d);
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (hidden[i].leaf == leaf && hidden[i].sub == sub) {
            a &= ~hidden[i].a;
            b &= ~hidden[i].b;
            c &= ~hidden[i].c;
            d &= ~hidden[i].d;
        }
    reg[REG_RAX] = a;
    reg[REG_RBX] = b;
    reg[REG_RCX] = c;
    reg[REG_RDX] = d;
    reg[REG_RIP] += 2;
}

static uint8_t *load(const char *path, size_t size)
{
    uint8_t *bytes = malloc(size);
    FILE *f = fopen(path, "rb");
    bool ok = bytes && f && fread(bytes, 1, size, f) == size;
    if (f) fclose(f);
    if (ok) return bytes;
    free(bytes);
    return NULL;
}

/* The place in the file of an address; 0: none. */
static size_t place(const uint8_t *bytes, size_t size, uint64_t address)
{
    const Elf64_Ehdr *eh = (const void *)bytes;
    const Elf64_Phdr *ph = (const void *)(bytes + eh->e_phoff);
    for (int i = 0; i < eh->e_phnum; i++)
        if (ph[i].p_type == PT_LOAD && address >= ph[i].p_vaddr && address + 2 <= ph[i].p_vaddr + ph[i].p_filesz &&
            ph[i].p_offset + ph[i].p_filesz <= size)
            return (size_t)(address - ph[i].p_vaddr + ph[i].p_offset);
    return 0;
}

/* How many instructions were replaced; -1: objdump says something else than the file. */
static int replace(const char *library, uint8_t *bytes, size_t size)
{
    char command[4200], line[512];
    if (strchr(library, '\'')) return -1;
    snprintf(command, sizeof command, "objdump -d --no-show-raw-insn '%s' 2>/dev/null", library);
    FILE *f = popen(command, "r");
    if (!f) return -1;
    int n = 0;
    while (fgets(line, sizeof line, f)) {
        char mnemonic[16];
        unsigned long long address;
        if (n < 0 || sscanf(line, " %llx: %15s", &address, mnemonic) != 2 || strcmp(mnemonic, "cpuid")) continue;
        size_t at = place(bytes, size, address);
        if (!at || bytes[at] != 0x0f || bytes[at + 1] != CPUID_1) {
            n = -1;
            continue;
        }
        bytes[at + 1] = RSM_1;
        n++;
    }
    return pclose(f) == 0 ? n : -1;
}

/* Appears whole or not at all: two runs may want it at once. */
static bool save(const char *path, const uint8_t *bytes, size_t size)
{
    char part[4200];
    snprintf(part, sizeof part, "%s.%d", path, (int)getpid());
    FILE *f = fopen(part, "wb");
    bool ok = f && fwrite(bytes, 1, size, f) == size;
    ok = f && fclose(f) == 0 && ok;
    ok = ok && rename(part, path) == 0;
    if (!ok) unlink(part);
    return ok;
}

char *hold_to_avx2(const char *library, char *why)
{
    struct stat st;
    char dir[4000], *path = malloc(4096);
    const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME");
    if (!path) return NULL;
    if (cache && *cache)
        snprintf(dir, sizeof dir, "%s/qjit-bench", cache);
    else
        snprintf(dir, sizeof dir, "%s/.cache/qjit-bench", home ? home : ".");
    if (stat(library, &st) || st.st_size < (off_t)sizeof(Elf64_Ehdr)) {
        snprintf(why, WHY, "%.200s: %s", library, strerror(errno));
        free(path);
        return NULL;
    }
    snprintf(path, 4096, "%s/avx2-%lld-%lld.so", dir, (long long)st.st_size, (long long)st.st_mtime);
    if (access(path, R_OK)) {
        for (char *p = dir + 1; (p = strchr(p, '/')); *p++ = '/') {
            *p = 0;
            mkdir(dir, 0700);
        }
        mkdir(dir, 0700);
        uint8_t *bytes = load(library, (size_t)st.st_size);
        int n = bytes ? replace(library, bytes, (size_t)st.st_size) : -1;
        bool ok = n > 0 && save(path, bytes, (size_t)st.st_size);
        free(bytes);
        if (!ok) {
            snprintf(why, WHY, n > 0 ? "%.200s: cannot be written" : "%.200s: objdump finds no cpuid to replace",
                     n > 0 ? path : library);
            free(path);
            return NULL;
        }
    }
    struct sigaction act = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &act, NULL);
    return path;
}
