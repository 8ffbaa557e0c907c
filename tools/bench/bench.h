/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h - one workload, one data set, and what a contender must be able to do with them.
 *
 * A contender is one file: a struct of functions, listed in main.c. Layers are u8 NHWC activations (zero point 0) by i8
 * weights with a scale an output channel, i32 bias, result requantised to u8 NHWC (f32 scale, half to even, clamped).
 * A dense layer is a 1x1 convolution of M pixels; `dense` says that the workload was meant as a matrix. */
#ifndef QJ_BENCH_H
#define QJ_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layer {
    char name[48];
    bool dense;
    int n, c, h, w, o, kh, kw, sh, sw, ph, pw, g;   /* dense M, N, K: h, o, c */
};

static inline int layer_oh(const struct layer *l) { return (l->h + 2 * l->ph - l->kh) / l->sh + 1; }
static inline int layer_ow(const struct layer *l) { return (l->w + 2 * l->pw - l->kw) / l->sw + 1; }
static inline size_t layer_in(const struct layer *l) { return (size_t)l->n * l->h * l->w * l->c; }
static inline size_t layer_weights(const struct layer *l) { return (size_t)l->o * l->kh * l->kw * (l->c / l->g); }
static inline size_t layer_out(const struct layer *l) { return (size_t)l->n * layer_oh(l) * layer_ow(l) * l->o; }
/* Multiply-accumulates, taps on the padding counted. */
static inline double layer_macs(const struct layer *l)
{
    return (double)layer_out(l) * l->kh * l->kw * (l->c / l->g);
}

/* Values for a layer, and the right answer. */
struct data {
    const char *set;        /* full, real, real255 */
    int a_max, w_min;       /* activations lie in 0..a_max, weights in w_min..127 */
    uint8_t *a;             /* N H W C */
    int8_t *w;              /* O KH KW C/G */
    int32_t *bias;          /* O */
    float *scale;           /* O */
    uint8_t *want;          /* N OH OW O */
};

/* Reads the table; lines that start with # are skipped. NULL: cannot, said on stderr. */
struct layer *layers_read(const char *path, int *n);
/* False: no data set of that name. */
bool data_make(struct data *d, const struct layer *l, const char *set);
void data_free(struct data *d);
/* Plain loops in int32: fills want. */
void oracle(const struct layer *l, struct data *d);

struct setting {
    bool avx2;              /* held to AVX2, or free */
    int threads;
    const char *template;   /* for qjit: "" or a template's name and knobs */
};

enum { WHY = 256 };

struct contender {
    const char *name;
    bool peer;                                              /* counts among those to compare with */
    /* Once, before anything else. True: note is its version, or empty; false: why not. */
    bool (*init)(bool avx2, char *note);
    /* Packs weights and sets up all that a library would keep between calls; d outlives it. NULL: why. */
    void *(*prepare)(const struct layer *l, const struct data *d, const struct setting *s, char *why);
    bool (*run)(void *p);                                   /* what is timed */
    void (*output)(void *p, uint8_t *out);                  /* of the last run, as N OH OW O; NULL: it has none */
    void (*free)(void *p);
};

extern const struct contender qjit_contender, onednn_contender, xnnpack_contender, ort_s8_contender, ort_u8_contender,
    read_contender;

/* What only qjit tells: MAC/cycle of one core doing nothing but its kernel's instruction (0: not known), and how long
 * choosing a schedule, compiling and linking took. */
struct qjit_facts { double ceiling, build_ms; };
struct qjit_facts qjit_facts(const void *p);

/* A copy of a shared library in which every cpuid is answered by us, without AVX-512, AVX-VNNI and AMX: its path, to be
 * opened from this process; the copy is kept in the user's cache. Installs a SIGILL handler. NULL: why. */
char *hold_to_avx2(const char *library, char *why);

/* An ONNX file of one quantised layer, input "x", output "y": u8 weights have zero point 128. NULL: no memory. */
uint8_t *ort_model(const struct layer *l, const struct data *d, bool u8_weights, size_t *size);

double now_ms(void);
/* The clock now in GHz by a chain of dependent additions, one cycle each. */
double clock_ghz(void);

/* ---- what was measured ---- */

enum { MAX_CONTENDERS = 8 };

struct cell {
    bool ran;
    double ms, mac_per_cycle, wrong_pct;
    char why[WHY];
};

struct row {
    const struct layer *layer;
    const char *set;
    int threads;
    double ghz;                             /* the clock */
    struct qjit_facts facts;
    struct cell cell[MAX_CONTENDERS];       /* as listed */
};

struct table {
    const struct contender *const *who;
    int nwho, nrow;
    struct row *row;
};

/* The fastest peer, exact on this row's data or any; NULL: none ran. */
const struct cell *row_best(const struct table *t, const struct row *r, bool exact);
const struct cell *row_qjit(const struct table *t, const struct row *r);
/* Is row i the first of its data set and number of threads? */
bool table_opens(const struct table *t, int i);

void report_head(const struct table *t, bool avx2);
void report_row(const struct table *t, const struct row *r);
void report_csv(const struct table *t, const struct row *r);
void report_summary(const struct table *t);
/* A dot a contender and workload over MAC/cycle. False: the file cannot be written. */
bool plot_svg(const struct table *t, const char *path);

#endif
