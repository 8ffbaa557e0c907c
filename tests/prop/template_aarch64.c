/* SPDX-License-Identifier: Apache-2.0 */
/* prop/template for AArch64: int8 layers under `template` on CPUs with and without dot products, in an emulator
 * (tests/emu/layers.c). Each instruction of a template must occur. */
#include "tests/emu/emu.h"

static const char *const targets[] = {
    "aarch64", "cortex-a53", "cortex-a72", "cortex-a55", "cortex-a76", "neoverse-n1", "apple-m1", "neoverse-n2", "neoverse-v1", "neoverse-v2",
    "aarch64,+i8mm",
};

int main(void) { return emu_layers(&(struct emu_layers){&family_aarch64, ARRAY_LEN(targets), targets, 300, ""}); }
