/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - the sources that run inside emulators, carried in the program: an installed qjit needs no folder of them. */
#include "tools/emu/files.h"

#define CARRY(name, path)                                                                         \
    __asm__(".pushsection .rodata\n" #name ": .incbin \"" path "\"\n" #name "_end: .byte 0\n.popsection\n"); \
    extern const char name[] __attribute__((visibility("hidden"))), name##_end[] __attribute__((visibility("hidden")));

#define FILES(X)                                                                                  \
    X(emu_guest_c, "tools/emu/guest/guest.c")                                                     \
    X(emu_guest_h, "tools/emu/guest/guest.h")                                                     \
    X(emu_x86_run, "tools/emu/x86/run")                                                           \
    X(emu_x86_rom, "tools/emu/x86/rom.S")                                                         \
    X(emu_x86_entry, "tools/emu/x86/entry.S")                                                     \
    X(emu_x86_kernel, "tools/emu/x86/kernel.c")                                                   \
    X(emu_x86_ld, "tools/emu/x86/kernel.ld")

FILES(CARRY)

const struct emu_file emu_files[] = {
#define X(name, path) {path, name, name##_end},
    FILES(X)
#undef X
    {0, 0, 0},
};
