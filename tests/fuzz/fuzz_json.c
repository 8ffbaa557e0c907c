/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_json.c - any bytes are read as JSON or refused with an error; typed reads never fault. */
#include <stdint.h>

#include "ir/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const char *const fuzz_seeds[];
const char *const fuzz_seeds[] = {"{\"format\": 1, \"args\": [{\"name\": \"A\", \"shape\": [1, 56], \"range\": [-5, 1e3]}], \"x\": null}",
                                  "[true, false, \"a\\u00e9\\n\", 9007199254740993, -0.5e-7, {}, []]", "[[[[[[1]]]]]]", NULL};

static void read_all(struct err_state *e, const struct json *j)
{
    int64_t i;
    double d;
    bool b;
    json_int(e, j, -100, INT64_MAX, &i);
    err_clear(e);
    json_num(e, j, &d);
    err_clear(e);
    json_bool(e, j, &b);
    err_clear(e);
    json_text(e, j);
    err_clear(e);
    json_at(e, j, "name");
    err_clear(e);
    if (j->kind == JSON_ARRAY || j->kind == JSON_OBJECT)
        for (int k = 0; k < j->n; k++) read_all(e, j->at[k]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct err_state e;
    arena_init(&a, NULL);
    err_init(&e);
    char *text = arena_strndup(&a, (const char *)data, size);
    const struct json *j = json_parse(&a, &e, "fuzz", text, size);
    if (!j != err_is(&e)) __builtin_trap(); /* nothing read: an error; something read: none */
    err_clear(&e);
    if (j) read_all(&e, j);
    err_release(&e);
    arena_release(&a);
    return 0;
}
