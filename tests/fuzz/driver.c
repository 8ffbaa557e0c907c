/* SPDX-License-Identifier: Apache-2.0 */
/* driver.c - a main for fuzz targets where libFuzzer is not at hand.
 *
 *     fuzz_x FILE...      runs those files
 *     fuzz_x              runs QJ_N (20000) mutations of the target's seeds, from QJ_SEED; prints the seed
 *
 * A target may define `const char *const fuzz_seeds[]` (NULL-terminated). The input being run is kept in
 * memory: on a crash the handler writes it to ./crash-input. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char *const fuzz_seeds[] __attribute__((weak));

enum { MAX_INPUT = 1 << 14 };
static unsigned char input[MAX_INPUT];
static size_t input_size;
static uint64_t state;

static uint32_t rnd(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return n ? (uint32_t)(state >> 33) % n : 0;
}

static void keep_input(int sig)
{
    int fd = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd >= 0 && write(fd, input, input_size) >= 0) close(fd);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void run(void)
{
    /* a heap copy of just that size, so that a read past the end is seen */
    uint8_t *copy = malloc(input_size ? input_size : 1);
    if (!copy) exit(2);
    memcpy(copy, input, input_size);
    LLVMFuzzerTestOneInput(copy, input_size);
    free(copy);
}

static const char *seed_at(uint32_t k)
{
    static const char *const none[] = {"", NULL};
    const char *const *seeds = fuzz_seeds ? fuzz_seeds : none;
    uint32_t n = 0;
    while (seeds[n]) n++;
    return n ? seeds[k % n] : "";
}

/* Replaces input[at, at+del) by n bytes. */
static void replace(size_t at, size_t del, const void *bytes, size_t n)
{
    if (input_size - del + n > MAX_INPUT) return;
    memmove(input + at + n, input + at + del, input_size - at - del);
    memmove(input + at, bytes, n);
    input_size += n - del;
}

static void mutate(void)
{
    static const char *const token[] = {"(", ")", "[", "]", "{", "}", ",", ":", "=", "..", "-", "0", "1", "65536", "\n", ";",
                                        "9223372036854775807", "-9223372036854775808", "0x", "1e38", "nan", "\"", "#"};
    unsigned char piece[64];
    size_t at = rnd((uint32_t)input_size + 1), left = input_size - at;
    size_t n = rnd((uint32_t)(left < sizeof piece ? left : sizeof piece) + 1);
    switch (rnd(6)) {
    case 0: if (left) input[at] ^= (unsigned char)(1u << rnd(8)); break;
    case 1: if (left) input[at] = (unsigned char)(32 + rnd(95)); break;
    case 2: replace(at, n, "", 0); break;
    case 3: { /* a piece of the input again, elsewhere */
        memcpy(piece, input + at, n);
        replace(rnd((uint32_t)input_size + 1), 0, piece, n);
        break;
    }
    case 4: {
        const char *t = token[rnd(sizeof token / sizeof token[0])];
        replace(at, rnd(2) && left ? 1 : 0, t, strlen(t));
        break;
    }
    default: { /* a piece of another seed */
        const char *s = seed_at(rnd(1u << 30));
        size_t len = strlen(s), from = rnd((uint32_t)len + 1), take = rnd((uint32_t)(len - from) + 1);
        replace(at, 0, s + from, take < sizeof piece ? take : sizeof piece);
    }
    }
}

static int run_files(int n, char **file)
{
    for (int i = 0; i < n; i++) {
        FILE *f = fopen(file[i], "rb");
        if (!f) {
            perror(file[i]);
            return 2;
        }
        input_size = fread(input, 1, MAX_INPUT, f);
        fclose(f);
        run();
    }
    return 0;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    return s && *s ? strtoull(s, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
    if (argc > 1) return run_files(argc - 1, argv + 1);
    uint64_t n = number("QJ_N", 20000), seed = number("QJ_SEED", 1);
    signal(SIGABRT, keep_input);
    signal(SIGSEGV, keep_input);
    printf("QJ_SEED=%" PRIu64 " QJ_N=%" PRIu64 "\n", seed, n);
    fflush(stdout);
    for (uint64_t i = 0; i < n; i++) {
        state = seed * 0x9e3779b97f4a7c15u + i;
        const char *s = seed_at(rnd(1u << 30));
        input_size = strlen(s) < MAX_INPUT ? strlen(s) : MAX_INPUT;
        memcpy(input, s, input_size);
        for (uint32_t k = rnd(8); k > 0; k--) mutate();
        run();
    }
    return 0;
}
