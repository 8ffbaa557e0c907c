/* SPDX-License-Identifier: Apache-2.0 */
/* line.h - lines typed at a terminal: editing, history, completion by Tab. The only user of libedit.
 *
 *     struct line *l = line_open(complete, u);
 *     while ((text = line_read(l, "qjit> "))) ...     // NULL: end of input (Ctrl-D); "": dropped (Ctrl-C)
 *     line_close(l);
 *
 * History is kept in $QJIT_HISTORY, else $XDG_STATE_HOME/qjit/history, else ~/.local/state/qjit/history;
 * an empty $QJIT_HISTORY keeps none. Each line is appended when it is entered, so nothing is lost when a
 * session is killed and sessions beside each other keep all their lines. ~/.editrc is honoured. */
#ifndef QJ_TOOLS_QJIT_LINE_H
#define QJ_TOOLS_QJIT_LINE_H

#include "ir/base/base.h"

/* Names that could stand for the unfinished word at the end of `before`; the word starts at *from.
 * Owned by the caller, malloc'ed, sorted, n of them. A name ending in '/', '.' or '=' goes on; others get a blank. */
typedef char **completer(void *u, const char *before, size_t *from, size_t *n);

struct line;
struct line *line_open(completer *complete, void *u);   /* NULL: no terminal to edit on */
const char *line_read(struct line *l, const char *prompt);
void line_close(struct line *l);

#endif
