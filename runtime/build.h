/* SPDX-License-Identifier: Apache-2.0 */
/* build.h - which code this process runs, qjit's and LLVM's, told by the build ids of the files it was loaded from. Two
 * builds of one version may make different kernels of one request. */
#ifndef QJ_RUNTIME_BUILD_H
#define QJ_RUNTIME_BUILD_H

#include "ir/base/base.h"

enum { BUILD_TEXT = 96 };
/* Two build ids as digits. Empty: a linker gave none (-Wl,--build-id). */
void build_text(char out[BUILD_TEXT]);

#endif
