/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - `qjit worker`: no command for people, but what the library starts for isolated contexts. */
#ifndef QJ_TOOLS_QJIT_WORKER_H
#define QJ_TOOLS_QJIT_WORKER_H

/* Serves standard input, which is a socket, until it ends. The exit status. */
int worker_main(void);

#endif
