/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - bench: qjit and its peers side by side. tools/bench/README.md is its manual.
 *
 * For each workload, data set and number of threads all contenders are set up, their outputs compared with the oracle,
 * and then timed in turns: a short window each, over and over, so that what the machine does meanwhile meets them all
 * alike. The best window counts. */
#include "tools/bench/bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct contender *const everyone[] = {&qjit_contender,   &onednn_contender, &ort_s8_contender,
                                                   &ort_u8_contender, &xnnpack_contender, &read_contender};
enum { EVERYONE = sizeof everyone / sizeof *everyone };

struct options {
    const char *workloads, *only, *with, *svg, *template, *sets[3];
    int nset, threads[2], nthreads;
    bool avx2, csv;
    double budget_ms;
};

double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

double clock_ghz(void)
{
    enum { ADDS = 64 * 2000 };
    double best = 1e30;
    for (int i = 0; i < 4; i++) {
        uint64_t x = 0;
        double begin = now_ms();
        for (int j = 0; j < ADDS / 64; j++)
            __asm__ volatile(".rept 64\n\tadd $1, %0\n\t.endr" : "+r"(x));
        double ms = now_ms() - begin;
        if (ms < best) best = ms;
    }
    return ADDS / best * 1e-6;
}

/* ---- one workload ---- */

static double wrong_pct(const struct contender *who, void *p, const struct layer *l, const struct data *d,
                        uint8_t *got)
{
    if (!who->output) return 0;
    size_t wrong = 0, n = layer_out(l);
    who->output(p, got);
    for (size_t i = 0; i < n; i++) wrong += got[i] != d->want[i];
    return 100.0 * (double)wrong / (double)n;
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Waits until nobody's workers spin any more: some do for 15 ms after a call, on the processor the next one needs. */
static void settle(void)
{
    for (int i = 0; i < 200; i++) {
        double begin = now_ms(), used = cpu_ms();
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
        if (cpu_ms() - used < 0.1 * (now_ms() - begin)) return;
    }
}

/* Milliseconds a call over a window; one call before it brings the contender's own data back into the caches and wakes
 * its workers, where that is not a window's work by itself. Negative: a call failed. */
static double window(const struct contender *who, void *p, int calls, int threads)
{
    if (threads > 1) settle();
    if ((calls > 1 || threads > 1) && !who->run(p)) return -1;
    double begin = now_ms();
    for (int i = 0; i < calls; i++)
        if (!who->run(p)) return -1;
    return (now_ms() - begin) / calls;
}

/* How many calls make a window, when one takes that long. */
static int window_calls(double ms, int threads)
{
    double want = threads > 1 ? 4 : 2;
    return ms <= 0 || ms >= want ? 1 : ms < want / 100000 ? 100000 : (int)(want / ms);
}

struct entrant {
    const struct contender *who;
    void *p;
    double spent, second;       /* ms of all windows; of the second best one, a call */
};

/* Windows in turns until each contender has had its budget and its best window was met again, within 2 %; where
 * neighbours keep that from happening, four times the budget and thirty windows. */
static void race(struct entrant *e, int n, struct row *r, double budget_ms)
{
    enum { ROUNDS_MIN = 5, ROUNDS_MAX = 30, PATIENCE = 4 };
    for (int i = 0; i < n; i++) {
        if (!e[i].p) continue;
        settle();
        r->cell[i].ms = e[i].second = window(e[i].who, e[i].p, 1, r->threads);
    }
    bool again = true;
    for (int round = 0; again; round++) {
        again = false;
        double ghz = clock_ghz();
        if (ghz > r->ghz) r->ghz = ghz;
        for (int k = 0; k < n; k++) {
            struct entrant *at = &e[(k + round) % n];
            struct cell *c = &r->cell[at - e];
            bool sure = at->spent >= budget_ms && round >= ROUNDS_MIN && at->second < c->ms * 1.02;
            bool enough = at->spent >= budget_ms * PATIENCE && round >= ROUNDS_MAX;
            if (!at->p || sure || enough) continue;
            int calls = window_calls(c->ms, r->threads);
            double ms = window(at->who, at->p, calls, r->threads);
            at->spent += ms * calls;
            if (ms < c->ms) {
                at->second = c->ms;
                c->ms = ms;
            } else if (ms < at->second) {
                at->second = ms;
            }
            again = true;
        }
    }
}

static void measure(struct row *r, const struct table *t, const struct data *d, const struct options *o,
                    uint8_t *got)
{
    struct entrant e[MAX_CONTENDERS] = {{0}};
    struct setting s = {o->avx2, r->threads, o->template};
    for (int i = 0; i < t->nwho; i++) {
        struct cell *c = &r->cell[i];
        e[i].who = t->who[i];
        e[i].p = e[i].who->prepare(r->layer, d, &s, c->why);
        if (!e[i].p) continue;
        if (e[i].who == &qjit_contender) r->facts = qjit_facts(e[i].p);
        c->ran = e[i].who->run(e[i].p);
        if (c->ran)
            c->wrong_pct = wrong_pct(e[i].who, e[i].p, r->layer, d, got);
        else
            snprintf(c->why, WHY, "the call fails");
    }
    for (int i = 0; i < t->nwho; i++)
        if (e[i].p && !r->cell[i].ran) {
            e[i].who->free(e[i].p);
            e[i].p = NULL;
        }
    race(e, t->nwho, r, o->budget_ms);
    for (int i = 0; i < t->nwho; i++) {
        struct cell *c = &r->cell[i];
        if (!e[i].p) continue;
        double wrong = wrong_pct(e[i].who, e[i].p, r->layer, d, got);
        if (wrong > c->wrong_pct) c->wrong_pct = wrong;
        c->ran = c->ms > 0;
        c->mac_per_cycle = c->ran ? layer_macs(r->layer) / (c->ms * r->ghz * 1e6) : 0;
        e[i].who->free(e[i].p);
    }
}

/* ---- all of them ---- */

static int usage(const char *name)
{
    fprintf(stderr,
            "usage: %s [options]\n"
            "  --workloads FILE      the table (tools/bench/workloads.csv)\n"
            "  --only SUBSTRING      workloads whose name has it\n"
            "  --with NAME,NAME      these contenders: qjit onednn ort_s8 ort_u8 xnnpack read\n"
            "  --data full|real|real255   one data set (full and real)\n"
            "  --threads N           threads (1, then 2)\n"
            "  --isa avx2|native     what all are held to (avx2)\n"
            "  --budget MS           time for each contender's windows (100)\n"
            "  --template TEXT       for qjit: a template's name and knobs (its own choice)\n"
            "  --csv                 workload,contender,data,threads,ms,mac_per_cycle,wrong_pct\n"
            "  --svg FILE            a plot\n",
            name);
    return 2;
}

static bool options_read(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {{"workloads", 1, NULL, 'w'}, {"only", 1, NULL, 'o'},
        {"with", 1, NULL, 'c'}, {"data", 1, NULL, 'd'}, {"threads", 1, NULL, 't'}, {"isa", 1, NULL, 'i'},
        {"budget", 1, NULL, 'b'}, {"csv", 0, NULL, 'v'}, {"svg", 1, NULL, 's'},
        {"template", 1, NULL, 'm'}, {0}};
    *o = (struct options){.workloads = BENCH_WORKLOADS, .sets = {"full", "real"}, .nset = 2, .threads = {1, 2},
                          .nthreads = 2, .avx2 = true, .template = "", .budget_ms = 100};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'w': o->workloads = optarg; break;
        case 'o': o->only = optarg; break;
        case 'c': o->with = optarg; break;
        case 'd': o->sets[0] = optarg; o->nset = 1; break;
        case 't': o->threads[0] = atoi(optarg); o->nthreads = 1; break;
        case 'i': o->avx2 = strcmp(optarg, "native") != 0; break;
        case 'b': o->budget_ms = atof(optarg); break;
        case 'v': o->csv = true; break;
        case 'm': o->template = optarg; break;
        case 's': o->svg = optarg; break;
        default: return false;
        }
        if (c == 'i' && o->avx2 && strcmp(optarg, "avx2")) return false;
        if (c == 't' && (o->threads[0] < 1 || o->threads[0] > 256)) return false;
        if (c == 'd' && strcmp(optarg, "full") && strcmp(optarg, "real") && strcmp(optarg, "real255")) return false;
    }
    return optind == argc;
}

static bool named(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; at && (at = strstr(at, name)); at += n)
        if ((at == list || at[-1] == ',') && (at[n] == ',' || !at[n])) return true;
    return !list;
}

int main(int argc, char **argv)
{
    struct options o;
    const struct contender *who[EVERYONE];
    struct table t = {.who = who};
    int nlayer;
    if (!options_read(&o, argc, argv)) return usage(argv[0]);
    struct layer *layer = layers_read(o.workloads, &nlayer);
    if (!layer) return 1;
    for (int i = 0; i < EVERYONE; i++) {
        char note[WHY] = "";
        if (!named(o.with, everyone[i]->name)) continue;
        bool can = everyone[i]->init(o.avx2, note);
        if (can) who[t.nwho++] = everyone[i];
        if (*note) fprintf(stderr, "%s%s: %s\n", everyone[i]->name, can ? "" : " is left out", note);
    }
    t.row = calloc((size_t)nlayer * o.nset * o.nthreads, sizeof *t.row);
    if (!t.row) return 1;
    if (o.csv)
        puts("workload,contender,data,threads,ms,mac_per_cycle,wrong_pct");
    else
        report_head(&t, o.avx2);
    for (int set = 0; set < o.nset; set++)
        for (int i = 0; i < nlayer; i++) {
            struct data d;
            if (o.only && !strstr(layer[i].name, o.only)) continue;
            uint8_t *got = malloc(layer_out(&layer[i]));
            if (!got || !data_make(&d, &layer[i], o.sets[set])) {
                fprintf(stderr, "%s: out of memory\n", layer[i].name);
                return 1;
            }
            oracle(&layer[i], &d);
            for (int k = 0; k < o.nthreads; k++) {
                struct row *r = &t.row[t.nrow++];
                *r = (struct row){.layer = &layer[i], .set = o.sets[set], .threads = o.threads[k]};
                measure(r, &t, &d, &o, got);
                (o.csv ? report_csv : report_row)(&t, r);
                fflush(stdout);
            }
            data_free(&d);
            free(got);
        }
    if (!o.csv) report_summary(&t);
    bool ok = !o.svg || plot_svg(&t, o.svg);
    free(t.row);
    free(layer);
    return ok ? 0 : 1;
}
