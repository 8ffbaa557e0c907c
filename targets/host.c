/* SPDX-License-Identifier: Apache-2.0 */
/* host.c - what the machine we run on is, from CPUID or the kernel: a family, its features, a CPU name.
 *
 * Only what the operating system saves on a context switch counts as present (XGETBV), and only what
 * is there with all it implies: a hypervisor may hide single features. Nothing is cached, so nothing
 * is shared between threads; a call costs a few CPUID instructions. */
#include "targets/family.h"
#include "targets/probe.h"

#if defined(__x86_64__)
#include <cpuid.h>

struct cpuid { unsigned r[LEAVES][4]; };

static struct cpuid read_cpuid(void)
{
    struct cpuid id = {0};
    for (int i = 0; i < LEAVES; i++) { /* a leaf the CPU lacks stays 0 */
        unsigned *r = id.r[i];
        if (probe_leaf_number[i][1] > 0 && id.r[LEAF_7][EAX] < probe_leaf_number[i][1]) continue; /* leaf 7's eax: its last subleaf */
        if (!__get_cpuid_count(probe_leaf_number[i][0], probe_leaf_number[i][1], &r[EAX], &r[EBX], &r[ECX], &r[EDX]))
            memset(r, 0, 4 * sizeof *r);
    }
    return id;
}

static enum probe_state saved_state(const struct cpuid *id)
{
    if (!(id->r[LEAF_1][ECX] >> OSXSAVE & 1)) return ANY; /* no OSXSAVE: the OS saves SSE registers only */
    unsigned lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    (void)hi;
    if ((lo & XCR0_YMM) != XCR0_YMM) return ANY;
    return (lo & XCR0_ZMM) == XCR0_ZMM ? ZMM : YMM;
}

static uint64_t features_of(const struct cpuid *id)
{
    enum probe_state saved = saved_state(id);
    uint64_t found = 0;
    for (size_t i = 0; i < (size_t)nprobe; i++)
        if (probes[i].state <= saved && (id->r[probes[i].leaf][probes[i].reg] >> probes[i].bit & 1)) {
            const struct feature *f = family_feature(&family_x86, probes[i].name, strlen(probes[i].name));
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

#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

/* What the kernel says: all of it is usable. */
uint64_t host_features(void)
{
    static const struct { const char *name; int word; uint64_t bit; } where[] = {
        {"neon", 0, HWCAP_ASIMD}, {"dotprod", 0, HWCAP_ASIMDDP}, {"fullfp16", 0, HWCAP_ASIMDHP},
        {"sve", 0, HWCAP_SVE},    {"i8mm", 1, HWCAP2_I8MM},      {"sve2", 1, HWCAP2_SVE2},
        {"sha3", 0, HWCAP_SHA3},  {"complxnum", 0, HWCAP_FCMA},
    };
    const uint64_t caps[2] = {getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
    uint64_t found = 0;
    for (size_t i = 0; i < ARRAY_LEN(where); i++)
        if (caps[where[i].word] & where[i].bit) found |= family_feature(&family_aarch64, where[i].name, strlen(where[i].name))->bit;
    int length = prctl(PR_SVE_GET_VL); /* bytes and flags above; -1 without SVE */
    for (int i = 0; i < family_aarch64.nfeature && length >= 0; i++) {
        const struct feature *f = &family_aarch64.features[i];
        int bits = family_sve_bits(&family_aarch64, f);
        if (bits && (length & PR_SVE_VL_LEN_MASK) * 8 >= bits) found |= f->bit;
    }
    return family_without(&family_aarch64, found, 0);
}

const struct family *host_family(void) { return &family_aarch64; }

/* By implementer and part of MIDR_EL1, which the kernel reads for us; the least CPU when it does not. */
const char *host_cpu_name(void)
{
    static const struct { unsigned who, part; const char *cpu; } parts[] = {
        {0x41, 0xd03, "cortex-a53"},  {0x41, 0xd05, "cortex-a55"},  {0x41, 0xd08, "cortex-a72"},  {0x41, 0xd0b, "cortex-a76"},
        {0x41, 0xd0c, "neoverse-n1"}, {0x41, 0xd49, "neoverse-n2"}, {0x41, 0xd40, "neoverse-v1"}, {0x41, 0xd4f, "neoverse-v2"},
        {0x46, 0x001, "a64fx"},       {0x61, 0x022, "apple-m1"},    {0x61, 0x023, "apple-m1"},
    };
    uint64_t midr = 0, have = host_features();
    if (getauxval(AT_HWCAP) & HWCAP_CPUID) __asm__("mrs %0, MIDR_EL1" : "=r"(midr));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct cpu *cpu = family_cpu(&family_aarch64, parts[i].cpu, strlen(parts[i].cpu));
        bool same = (midr >> 24 & 0xff) == parts[i].who && (midr >> 4 & 0xfff) == parts[i].part;
        if (same && !(family_closure(&family_aarch64, cpu->features) & ~have)) return cpu->name;
    }
    return family_aarch64.cpus[0].name;
}

#else

const struct family *host_family(void) { return &family_generic; }
uint64_t host_features(void) { return 0; }
const char *host_cpu_name(void) { return family_generic.cpus[0].name; }

#endif
