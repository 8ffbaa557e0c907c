/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - what tells of each feature of x86 and AArch64. Contract in probe.h. */
#include "targets/probe.h"

const unsigned probe_leaf_number[LEAVES][2] = {{1, 0}, {7, 0}, {7, 1}, {0x80000001u, 0}};

const struct probe probes[] = {
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
const int nprobe = ARRAY_LEN(probes);

const struct probe *probe_by_name(const char *name)
{
    for (int i = 0; i < nprobe; i++)
        if (!strcmp(probes[i].name, name)) return &probes[i];
    return NULL;
}

/* By its number: assemblers want SVE enabled for the name of the last. */
const char *const id_reg_name[ID_REGS] = {"ID_AA64ISAR0_EL1", "ID_AA64ISAR1_EL1", "ID_AA64PFR0_EL1", "S3_0_C0_C4_4"};

const struct id_field id_fields[] = {
    {"neon", PFR0, 20, 0},
    {"dotprod", ISAR0, 44, 1},
    {"fullfp16", PFR0, 20, 1},
    {"i8mm", ISAR1, 52, 1},
    {"sve", PFR0, 32, 1},
    {"sve2", ZFR0, 0, 1},
    {"complxnum", ISAR1, 16, 1},
    {"sha3", ISAR0, 32, 1},
};
const int nid_field = ARRAY_LEN(id_fields);

const struct id_field *id_field_by_name(const char *name)
{
    for (int i = 0; i < nid_field; i++)
        if (!strcmp(id_fields[i].name, name)) return &id_fields[i];
    return NULL;
}
