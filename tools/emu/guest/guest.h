/* SPDX-License-Identifier: Apache-2.0 */
/* guest.h - the table that the program inside the emulator works through: written by emu.c. */
#ifndef QJ_TOOLS_EMU_GUEST_H
#define QJ_TOOLS_EMU_GUEST_H

/* before, after, mask: places in standard input, -1: none. got: the bytes are wanted after the call. */
struct guest_buffer { long bytes, before, after, mask; int floats, got; };
struct guest_case {
    int (*main)(void **), (*pack)(void **);
    int nbuffer, narg, npack;
    const struct guest_buffer *buffer;
    const int *arg, *pack_arg;
    long workspace, pack_workspace;
};
extern const struct guest_case guest_case[];
extern const int guest_ncase;
extern const long guest_ndata;          /* bytes of standard input */

#endif
