/* SPDX-License-Identifier: Apache-2.0 */
/* host.c - what the machine we run on is, from CPUID: a family, its features, a CPU name.
 *
 * Only what the operating system saves on a context switch counts as present (XGETBV), and only what
 * is there with all it implies: a hypervisor may hide single features. Nothing is cached, so nothing
 * is shared between threads; a call costs a few CPUID instructions. */
#include "targets/family.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum reg { EAX, EBX, ECX, EDX };
enum leaf { LEAF_1, LEAF_7, LEAF_7_1, LEAF_EXT, LEAVES };
enum state { ANY, YMM, ZMM };   /* register state the OS must save */

static const struct { const char *name; enum leaf leaf; enum reg reg; int bit; enum state state; } where[] = {
    {"sse2", LEAF_1, EDX, 26, ANY},
    {"sse3", LEAF_1, ECX, 0, ANY},
    {"ssse3", LEAF_1, ECX, 9, ANY},
    {"fma", LEAF_1, ECX, 12, YMM},
    {"cx16", LEAF_1, ECX, 13, ANY},
    {"sse4.1", LEAF_1, ECX, 19, ANY},
    {"sse4.2", LEAF_1, ECX, 20, ANY},
    {"movbe", LEAF_1, ECX, 22, ANY},
    {"popcnt", LEAF_1, ECX, 23, ANY},
    {"avx", LEAF_1, ECX, 28, YMM},
    {"f16c", LEAF_1, ECX, 29, YMM},
    {"bmi", LEAF_7, EBX, 3, ANY},
    {"avx2", LEAF_7, EBX, 5, YMM},
    {"bmi2", LEAF_7, EBX, 8, ANY},
    {"avx512f", LEAF_7, EBX, 16, ZMM},
    {"avx512dq", LEAF_7, EBX, 17, ZMM},
    {"avx512ifma", LEAF_7, EBX, 21, ZMM},
    {"avx512cd", LEAF_7, EBX, 28, ZMM},
    {"avx512bw", LEAF_7, EBX, 30, ZMM},
    {"avx512vl", LEAF_7, EBX, 31, ZMM},
    {"avx512vbmi", LEAF_7, ECX, 1, ZMM},
    {"avx512vbmi2", LEAF_7, ECX, 6, ZMM},
    {"gfni", LEAF_7, ECX, 8, ANY},
    {"avx512vnni", LEAF_7, ECX, 11, ZMM},
    {"avx512bitalg", LEAF_7, ECX, 12, ZMM},
    {"avx512vpopcntdq", LEAF_7, ECX, 14, ZMM},
    {"avx512fp16", LEAF_7, EDX, 23, ZMM},
    {"avxvnni", LEAF_7_1, EAX, 4, YMM},
    {"avx512bf16", LEAF_7_1, EAX, 5, ZMM},
    {"avxvnniint8", LEAF_7_1, EDX, 4, YMM},
    {"avxvnniint16", LEAF_7_1, EDX, 10, YMM},
    {"sahf", LEAF_EXT, ECX, 0, ANY},
    {"lzcnt", LEAF_EXT, ECX, 5, ANY},
    {"sse4a", LEAF_EXT, ECX, 6, ANY},
};

struct cpuid { unsigned r[LEAVES][4]; };

static struct cpuid read_cpuid(void)
{
    static const unsigned leaf[LEAVES][2] = {{1, 0}, {7, 0}, {7, 1}, {0x80000001u, 0}};
    struct cpuid id = {0};
    for (int i = 0; i < LEAVES; i++) { /* a leaf the CPU lacks stays 0 */
        unsigned *r = id.r[i];
        if (leaf[i][1] > 0 && id.r[LEAF_7][EAX] < leaf[i][1]) continue; /* leaf 7's eax: its last subleaf */
        if (!__get_cpuid_count(leaf[i][0], leaf[i][1], &r[EAX], &r[EBX], &r[ECX], &r[EDX]))
            memset(r, 0, 4 * sizeof *r);
    }
    return id;
}

static enum state saved_state(const struct cpuid *id)
{
    if (!(id->r[LEAF_1][ECX] >> 27 & 1)) return ANY; /* no OSXSAVE: the OS saves SSE registers only */
    unsigned lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    (void)hi;
    if ((lo & 0x06) != 0x06) return ANY;
    return (lo & 0xe0) == 0xe0 ? ZMM : YMM;
}

static uint64_t features_of(const struct cpuid *id)
{
    enum state saved = saved_state(id);
    uint64_t found = 0;
    for (size_t i = 0; i < ARRAY_LEN(where); i++)
        if (where[i].state <= saved && (id->r[where[i].leaf][where[i].reg] >> where[i].bit & 1)) {
            const struct feature *f = family_feature(&family_x86, where[i].name, strlen(where[i].name));
            QJ_ASSERT(f);
            found |= f->bit;
        }
    return family_without(&family_x86, found, 0);
}

/* CPUs by vendor, family and model (inclusive); the first row whose features are all there wins, so a
 * later stepping that shares its model with an earlier one stands first. */
static const struct { char vendor; int family, from, to; const char *cpu; } models[] = {
    {'I', 6, 0x3c, 0x3c, "haswell"},         {'I', 6, 0x3f, 0x3f, "haswell"},
    {'I', 6, 0x45, 0x46, "haswell"},         {'I', 6, 0x3d, 0x3d, "broadwell"},
    {'I', 6, 0x47, 0x47, "broadwell"},       {'I', 6, 0x4f, 0x4f, "broadwell"},
    {'I', 6, 0x56, 0x56, "broadwell"},       {'I', 6, 0x4e, 0x4e, "skylake"},
    {'I', 6, 0x5e, 0x5e, "skylake"},         {'I', 6, 0x8e, 0x8e, "skylake"},
    {'I', 6, 0x9e, 0x9e, "skylake"},         {'I', 6, 0xa5, 0xa6, "skylake"},
    {'I', 6, 0x55, 0x55, "cooperlake"},      {'I', 6, 0x55, 0x55, "cascadelake"},
    {'I', 6, 0x55, 0x55, "skylake-avx512"},  {'I', 6, 0x7d, 0x7e, "icelake-client"},
    {'I', 6, 0x6a, 0x6a, "icelake-server"},  {'I', 6, 0x6c, 0x6c, "icelake-server"},
    {'I', 6, 0x8c, 0x8d, "tigerlake"},       {'I', 6, 0xa7, 0xa7, "rocketlake"},
    {'I', 6, 0x8f, 0x8f, "sapphirerapids"},  {'I', 6, 0xcf, 0xcf, "emeraldrapids"},
    {'I', 6, 0xad, 0xae, "graniterapids"},   {'I', 6, 0x97, 0x97, "alderlake"},
    {'I', 6, 0x9a, 0x9a, "alderlake"},       {'I', 6, 0xbe, 0xbe, "gracemont"},
    {'I', 6, 0xb7, 0xb7, "raptorlake"},      {'I', 6, 0xba, 0xba, "raptorlake"},
    {'I', 6, 0xbf, 0xbf, "raptorlake"},      {'I', 6, 0xaf, 0xaf, "sierraforest"},
    {'I', 6, 0xc5, 0xc6, "arrowlake"},       {'I', 6, 0xbd, 0xbd, "lunarlake"},
    {'A', 0x17, 0x00, 0x2f, "znver1"},       {'A', 0x17, 0x30, 0xff, "znver2"},
    {'A', 0x19, 0x10, 0x1f, "znver4"},       {'A', 0x19, 0x60, 0x7f, "znver4"},
    {'A', 0x19, 0xa0, 0xaf, "znver4"},       {'A', 0x19, 0x00, 0x5f, "znver3"},
    {'A', 0x1a, 0x00, 0xff, "znver5"},
};

static bool has_all(const struct cpu *cpu, uint64_t have)
{
    return !(family_closure(&family_x86, cpu->features) & ~have);
}

const struct family *host_family(void) { return &family_x86; }

uint64_t host_features(void)
{
    struct cpuid id = read_cpuid();
    return features_of(&id);
}

const char *host_cpu_name(void)
{
    struct cpuid id = read_cpuid();
    uint64_t have = features_of(&id);
    unsigned max, ebx = 0, ecx, edx;
    if (!__get_cpuid(0, &max, &ebx, &ecx, &edx)) ebx = 0;
    char vendor = ebx == 0x756e6547 /* Genu */ ? 'I' : ebx == 0x68747541 /* Auth */ ? 'A' : 0;
    unsigned sig = id.r[LEAF_1][EAX];
    int family = (int)(sig >> 8 & 15), model = (int)(sig >> 4 & 15);
    if (family == 6 || family == 15) model += (int)(sig >> 16 & 15) << 4;
    if (family == 15) family += (int)(sig >> 20 & 255);
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        if (models[i].vendor != vendor || models[i].family != family) continue;
        if (model < models[i].from || model > models[i].to) continue;
        const struct cpu *cpu = family_cpu(&family_x86, models[i].cpu, strlen(models[i].cpu));
        QJ_ASSERT(cpu);
        if (has_all(cpu, have)) return cpu->name;
    }
    const char *best = family_x86.cpus[0].name; /* the levels come first in the table, in ascending order */
    for (int i = 1; i < family_x86.ncpu && !strncmp(family_x86.cpus[i].name, "x86-64", 6); i++)
        if (has_all(&family_x86.cpus[i], have)) best = family_x86.cpus[i].name;
    return best;
}

#else

const struct family *host_family(void) { return &family_generic; }
uint64_t host_features(void) { return 0; }
const char *host_cpu_name(void) { return family_generic.cpus[0].name; }

#endif
