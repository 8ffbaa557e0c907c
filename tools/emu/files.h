/* SPDX-License-Identifier: Apache-2.0 */
/* files.h - the table of files.c. */
#ifndef QJ_TOOLS_EMU_FILES_H
#define QJ_TOOLS_EMU_FILES_H

struct emu_file { const char *path, *text, *end; };
extern const struct emu_file emu_files[];       /* up to one without a path */

#endif
