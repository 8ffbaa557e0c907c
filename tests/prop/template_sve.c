/* SPDX-License-Identifier: Apache-2.0 */
/* prop/template for AArch64 whose registers of SVE are wider than NEON's, in an emulator with registers just so wide
 * (tests/emu/layers.c). Each instruction of 512 bits must occur. */
#include "tests/emu/emu.h"

static const char *const targets[] = {"aarch64,+sve256", "a64fx", "neoverse-v1,+sve256", "a64fx,+i8mm"};

int main(void) { return emu_layers(&(struct emu_layers){&family_aarch64, ARRAY_LEN(targets), targets, 100, "sve512"}); }
