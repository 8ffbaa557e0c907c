/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - how a running program finds a feature of its CPU: for host.c, which asks, and codegen, which writes code
 * that asks.
 *
 * x86 (ASK_CPUID): one bit of CPUID, and what the operating system saves on a context switch (XGETBV).
 * AArch64 (ASK_ID): a field of an ID register. Reading one is a fault where the operating system does not answer for it:
 * Linux does since 4.11, with what it tells in HWCAP - no more than all cores have and it saves - and so does qemu. How wide
 * registers of SVE are (sve256, sve512) no register tells: RDVL does, prctl does. */
#ifndef QJ_TARGETS_PROBE_H
#define QJ_TARGETS_PROBE_H

#include "targets/target.h"

enum probe_reg { EAX, EBX, ECX, EDX };
enum probe_leaf { LEAF_1, LEAF_7, LEAF_7_1, LEAF_EXT, LEAVES };
enum probe_state { ANY, YMM, ZMM };     /* register state the OS must save: bits of XCR0 below */
enum { XCR0_YMM = 0x06, XCR0_ZMM = 0xe6, OSXSAVE = 27 /* bit of leaf 1's ECX */ };

extern const unsigned probe_leaf_number[LEAVES][2];     /* EAX and ECX to ask with */
extern const struct probe { const char *name; enum probe_leaf leaf; enum probe_reg reg; int bit; enum probe_state state; } probes[];
extern const int nprobe;
const struct probe *probe_by_name(const char *name);    /* NULL: a feature that cannot be found */

/* A field is four bits from `bit`, signed (-1: not there), and the feature is there from `least` on. */
enum id_reg { ISAR0, ISAR1, PFR0, ZFR0, ID_REGS };
extern const char *const id_reg_name[ID_REGS];          /* as MRS takes them */
extern const struct id_field { const char *name; enum id_reg reg; int bit, least; } id_fields[];
extern const int nid_field;
const struct id_field *id_field_by_name(const char *name);

#endif
