/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - figures as lines, as CSV, and as geometric means over sets of layers. */
#include "tools/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cell *row_best(const struct table *t, const struct row *r, bool exact)
{
    const struct cell *best = NULL;
    for (int i = 0; i < t->nwho; i++) {
        const struct cell *c = &r->cell[i];
        if (t->who[i]->peer && c->ran && (!exact || c->wrong_pct == 0) && (!best || c->ms < best->ms)) best = c;
    }
    return best;
}

const struct cell *row_qjit(const struct table *t, const struct row *r)
{
    for (int i = 0; i < t->nwho; i++)
        if (t->who[i] == &qjit_contender && r->cell[i].ran) return &r->cell[i];
    return NULL;
}

static const struct cell *row_read(const struct table *t, const struct row *r)
{
    for (int i = 0; i < t->nwho; i++)
        if (t->who[i] == &read_contender && r->cell[i].ran) return &r->cell[i];
    return NULL;
}

bool table_opens(const struct table *t, int i)
{
    for (int j = 0; j < i; j++)
        if (t->row[j].set == t->row[i].set && t->row[j].threads == t->row[i].threads) return false;
    return true;
}

void report_head(const struct table *t, bool avx2)
{
    double load = 0;
    if (getloadavg(&load, 1) == 1)
        printf("%s; load %.1f on %ld processors\n", avx2 ? "all held to AVX2" : "all free", load,
               sysconf(_SC_NPROCESSORS_ONLN));
    puts("MAC/cycle, in brackets wrong outputs in % where there are any; x exact, x any: qjit's speed over the best exact "
         "peer and the best of any kind");
    printf("%-26s %-7s %s", "workload", "data", "thr");
    for (int i = 0; i < t->nwho; i++)
        if (t->who[i] != &read_contender) printf(" %14s", t->who[i]->name);
    puts("   GHz   qjit ms  share x exact  x any build ms");
}

static void ratio(const struct cell *peer, const struct cell *ours)
{
    if (peer && ours)
        printf(" %7.2f", peer->ms / ours->ms);
    else
        printf(" %7s", "-");
}

void report_row(const struct table *t, const struct row *r)
{
    const struct cell *ours = row_qjit(t, r), *limit = row_read(t, r);
    printf("%-26s %-7s %3d", r->layer->name, r->set, r->threads);
    for (int i = 0; i < t->nwho; i++) {
        const struct cell *c = &r->cell[i];
        if (t->who[i] == &read_contender) continue;
        if (!c->ran)
            printf(" %14s", "-");
        else if (c->wrong_pct > 0)
            printf(" %6.1f (%4.*f%%)", c->mac_per_cycle, c->wrong_pct < 0.1 ? 3 : 1, c->wrong_pct);
        else
            printf(" %6.1f %7s", c->mac_per_cycle, "");
    }
    printf(" %5.2f", r->ghz);
    if (ours)
        printf(" %9.4f", ours->ms);
    else
        printf(" %9s", "-");
    if (ours && limit) /* bound by memory: the share of reading the weights and nothing else */
        printf(" %5.2fr", limit->ms / ours->ms);
    else if (ours && r->facts.ceiling > 0)
        printf(" %5.2f ", ours->mac_per_cycle / (r->facts.ceiling * r->threads));
    else
        printf(" %5s ", "-");
    ratio(row_best(t, r, true), ours);
    ratio(row_best(t, r, false), ours);
    if (ours) printf(" %8.0f", r->facts.build_ms);
    for (int i = 0; i < t->nwho; i++)
        if (t->who[i] == &qjit_contender && !r->cell[i].ran) printf("   qjit: %s", r->cell[i].why);
    putchar('\n');
}

void report_csv(const struct table *t, const struct row *r)
{
    for (int i = 0; i < t->nwho; i++) {
        const struct cell *c = &r->cell[i];
        if (c->ran)
            printf("%s,%s,%s,%d,%.5f,%.3f,%.4f\n", r->layer->name, t->who[i]->name, r->set, r->threads, c->ms,
                   c->mac_per_cycle, c->wrong_pct);
        else
            fprintf(stderr, "%s %s: %s\n", r->layer->name, t->who[i]->name, c->why);
    }
}

/* ---- sets of layers ---- */

static bool starts(const struct layer *l, const char *with) { return !strncmp(l->name, with, strlen(with)); }
static bool dense_conv(const struct layer *l) { return !l->dense && l->g == 1; }

static bool big_nets(const struct layer *l)
{
    return dense_conv(l) && (starts(l, "rn50") || starts(l, "vgg") || starts(l, "inc"));
}

static bool square3(const struct layer *l)
{
    return dense_conv(l) && l->kh == 3 && l->kw == 3 && l->sh == 1 && l->sw == 1 && l->h >= 28 && l->c <= 256 &&
           l->c > 3;
}

static bool stem(const struct layer *l) { return dense_conv(l) && l->c == 3; }
static bool depthwise(const struct layer *l) { return l->g > 1; }
static bool pointwise(const struct layer *l) { return dense_conv(l) && strstr(l->name, "_pw_"); }
static bool batch(const struct layer *l) { return l->n > 1; }
static bool matrix(const struct layer *l) { return l->dense && l->h >= 128; }
static bool vector(const struct layer *l) { return l->dense && l->h == 1; }

static const struct { const char *name; bool (*has)(const struct layer *l); } sets[] = {
    {"ResNet-50, VGG-16, Inception-v3", big_nets},
    {"3x3 stride 1, >= 28x28, <= 256 channels", square3},
    {"first layers, 3 channels", stem},
    {"depthwise", depthwise},
    {"pointwise (MobileNet)", pointwise},
    {"batch 16", batch},
    {"dense, M >= 128", matrix},
    {"dense, M = 1", vector},
};

struct mean {
    int n;
    double log_sum, least;
    const char *least_name;
};

static void mean_add(struct mean *m, double x, const char *name)
{
    if (!m->n || x < m->least) {
        m->least = x;
        m->least_name = name;
    }
    m->n++;
    m->log_sum += log(x);
}

static void mean_print(const struct mean *m)
{
    if (m->n)
        printf("  %5.2f (%5.2f %-24s)", exp(m->log_sum / m->n), m->least, m->least_name);
    else
        printf("  %40s", "-");
}

void report_summary(const struct table *t)
{
    puts("\nqjit's speed over the best peer: geometric mean (the least, where); MAC/cycle: geometric means");
    printf("%-40s %-7s thr  n  %-40s  %-40s  qjit exact   any\n", "set", "data", "over the best exact",
           "over the best of any kind");
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++)
        for (int i = 0; i < t->nrow; i++) {
            const struct row *first = &t->row[i];
            if (!table_opens(t, i)) continue;
            struct mean exact = {0}, any = {0}, speed[3] = {{0}};
            int n = 0;
            for (int j = i; j < t->nrow; j++) {
                const struct row *r = &t->row[j];
                if (r->set != first->set || r->threads != first->threads || !sets[s].has(r->layer)) continue;
                const struct cell *ours = row_qjit(t, r), *a = row_best(t, r, true), *b = row_best(t, r, false);
                n++;
                if (ours) mean_add(&speed[0], ours->mac_per_cycle, "");
                if (a) mean_add(&speed[1], a->mac_per_cycle, "");
                if (b) mean_add(&speed[2], b->mac_per_cycle, "");
                if (ours && a) mean_add(&exact, a->ms / ours->ms, r->layer->name);
                if (ours && b) mean_add(&any, b->ms / ours->ms, r->layer->name);
            }
            if (!n) continue;
            printf("%-40s %-7s %3d %2d", sets[s].name, first->set, first->threads, n);
            mean_print(&exact);
            mean_print(&any);
            for (int k = 0; k < 3; k++) printf(" %5.1f", speed[k].n ? exp(speed[k].log_sum / speed[k].n) : 0.0);
            putchar('\n');
        }
}
