/* SPDX-License-Identifier: Apache-2.0 */
/* guest.h - the table that the program inside the emulator works through: written by emu.c. */
#ifndef QJ_TESTS_EMU_GUEST_H
#define QJ_TESTS_EMU_GUEST_H

struct guest_buffer { long bytes, before, after, mask; int floats; };       /* places in guest_data; -1: none */
struct guest_case {
    int (*main)(void **), (*pack)(void **);
    int nbuffer, narg, npack;
    const struct guest_buffer *buffer;
    const int *arg, *pack_arg;
    long workspace, pack_workspace;
};
extern const unsigned char guest_data[];
extern const struct guest_case guest_case[];
extern const int guest_ncase;

#endif
