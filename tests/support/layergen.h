/* SPDX-License-Identifier: Apache-2.0 */
/* layergen.h - random int8 layers: kinds, shapes, layouts, zero points, epilogues; their data; `template` statements. */
#ifndef QJ_TESTS_SUPPORT_LAYERGEN_H
#define QJ_TESTS_SUPPORT_LAYERGEN_H

#include "schedule/templates/layer.h"
#include "tests/support/harness.h"

/* One that can be written as a program, of at most some 400000 products. */
struct layer gen_layer(struct rng *r);
/* A fill_fn; u: the layer. Scales leave the sums in the output's range, so that each bit of them counts. */
void gen_layer_data(void *u, struct rng *r, const struct tensor *t, void *data);
/* "template", one in three with knobs, which may ask for what there is not. */
const char *gen_template(struct arena *a, struct rng *r, const struct target *t);

#endif
