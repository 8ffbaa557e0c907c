/* SPDX-License-Identifier: Apache-2.0 */
/* prop/template for x86 with AVX-512, AVX512-VNNI and AVX-VNNI, which this machine may lack: int8 layers under `template` in
 * an emulator (tests/emu/layers.c), also where it has them. */
#include "tests/emu/emu.h"

static const char *const targets[] = {"x86-64-v4", "x86-64-v4,+avx512vnni", "cascadelake", "tigerlake,-gfni", "x86-64-v3,+avxvnni"};

int main(void) { return emu_layers(&(struct emu_layers){&family_x86, ARRAY_LEN(targets), targets, 100, NULL}); }
