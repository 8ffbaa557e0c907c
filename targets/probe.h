/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - how a running program finds a feature of its x86 CPU: by one bit of CPUID, and by what the operating system
 * saves on a context switch (XGETBV). For host.c, which asks, and for codegen, which writes code that asks. */
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

#endif
