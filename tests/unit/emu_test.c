/* SPDX-License-Identifier: Apache-2.0 */
/* What an emulator must tell: a wrong byte, a byte outside a buffer, a call after one that died, results. Each machine that
 * is installed here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/emu/emu.h"
#include "tests/support/nestrun.h"

static const char *const targets[] = {"neoverse-n1", "x86-64-v4", "x86-64-v3,+avxvnni"};

enum { N = 5000 };

/* O = A + 1, 5000 bytes. */
static struct artifact *plus_one(struct emu *e, const struct target *t)
{
    const struct func *f = nest_parse("func f(arg A[5000] : u8, out O[5000] : u8) { for i in 0..5000 { O[i] = A[i] + 1 } }", t);
    struct artifact *a = emu_compile(e, &nr.c, nest_lowered(f, t), &nest_options);
    nest_no_error();
    return a;
}

static void faults(void **s)
{
    static const int arg[] = {0, 1};
    uint8_t in[N], out[N];
    for (size_t k = 0; k < ARRAY_LEN(targets); k++) {
        const struct target *t = nest_target(targets[k]);
        const struct emu_machine *m = emu_machine_for(t);
        if (!m) {
            printf("skipped: no emulator for %s here\n", targets[k]);
            continue;
        }
        for (int i = 0; i < N; i++) out[i] = (uint8_t)((in[i] = (uint8_t)(i * 7)) + 1);
        struct emu *e = emu_new(m);
        char *log = NULL;
        size_t n;
        FILE *f = open_memstream(&log, &n);
        struct artifact *a = plus_one(e, t);
        emu_add(e, a, "right", 2, (struct emu_buffer[]){{.bytes = N, .before = in}, {.bytes = N, .after = out}}, arg, NULL);
        emu_add(e, a, "short output", 2, (struct emu_buffer[]){{.bytes = N, .before = in}, {.bytes = N - 1}}, arg, NULL);
        emu_add(e, a, "short input", 2, (struct emu_buffer[]){{.bytes = N - 1, .before = in}, {.bytes = N}}, arg, NULL);
        emu_add(e, a, "got", 2, (struct emu_buffer[]){{.bytes = N, .before = in}, {.bytes = N, .got = true}}, arg, NULL);
        artifact_free(a);
        out[N - 1] ^= 1;
        a = plus_one(e, t);
        emu_add(e, a, "wrong", 2, (struct emu_buffer[]){{.bytes = N, .before = in}, {.bytes = N, .after = out}}, arg, NULL);
        out[N - 1] ^= 1;
        artifact_free(a);
        assert_int_equal(emu_queued(e), 5);
        int bad = emu_run(e, f);
        fclose(f);
        if (bad != 4) fail_msg("%s: %d\n%s", targets[k], bad, log); /* the last is wrong from either end */
        assert_null(strstr(log, "right"));
        assert_null(strstr(log, "got"));
        assert_non_null(strstr(log, "short output\nit died"));
        assert_non_null(strstr(log, "short input\nit died"));
        assert_non_null(strstr(log, "wrong\nbad 4: buffer 1, byte 4999"));
        assert_int_equal(emu_queued(e), 0);
        assert_non_null(emu_got(e, 3, 1));
        assert_memory_equal(emu_got(e, 3, 1), out, N);
        assert_null(emu_got(e, 0, 1));
        free(log);
        emu_free(e);
    }
}

/* What has no emulator is known before anything is compiled. */
static void machines(void **s)
{
    static const char *const none[] = {"sapphirerapids", "alderlake", "sierraforest", "generic", "sm_80"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) assert_null(emu_machine_of(nest_target(none[i])));
    assert_non_null(emu_machine_of(nest_target("x86-64-v2")));
    assert_non_null(emu_machine_of(nest_target("cascadelake")));
    assert_non_null(emu_machine_of(nest_target("neoverse-v2")));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, nestrun_open, nestrun_close)
    const struct CMUnitTest tests[] = {T(machines), T(faults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
