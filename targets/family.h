/* SPDX-License-Identifier: Apache-2.0 */
/* family.h - what the files of this folder share: feature sets and the check of a recipe's calls.
 *
 * A feature set is `closed` when it holds all that its features imply. All sets in a struct target
 * are closed; the sets in a family's table need not be. */
#ifndef QJ_TARGETS_FAMILY_H
#define QJ_TARGETS_FAMILY_H

#include "targets/recipe.h"
#include "targets/target.h"

uint64_t family_closure(const struct family *f, uint64_t features);
/* The greatest closed set inside `features` without `off`: what implies a missing feature goes too. */
uint64_t family_without(const struct family *f, uint64_t features, uint64_t off);
const struct feature *family_feature(const struct family *f, const char *name, size_t n);
const struct cpu *family_cpu(const struct family *f, const char *name, size_t n);

/* True when LLVM can select every call of `r` with the features `have`, and each call is one whose
 * effects are its result alone. ERR_INTRIN or ERR_FEATURE at `at` if not. (callee.c) */
bool callee_check(struct ir_ctx *c, const struct family *f, const struct meaning *row, const struct recipe *r,
                  uint64_t have, struct span at);

int family_sve_bits(const struct family *f, const struct feature *x);  /* 0: a feature of LLVM's */

#endif
