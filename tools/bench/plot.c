/* SPDX-License-Identifier: Apache-2.0 */
/* plot.c - the table as an SVG: a line a workload, a dot a contender over MAC/cycle; hollow where outputs were wrong.
 * A panel for each data set and number of threads, one under the other. */
#include "tools/bench/bench.h"

#include <math.h>
#include <stdio.h>

enum { LEFT = 230, WIDTH = 620, RIGHT = 30, TOP = 46, LINE = 15, BELOW = 34 };

static const char *const colour[MAX_CONTENDERS] = {"#d62728", "#1f77b4", "#ff7f0e", "#2ca02c",
                                                   "#9467bd", "#8c564b", "#7f7f7f", "#17becf"};

static double most(const struct table *t)
{
    double m = 1;
    for (int i = 0; i < t->nrow; i++)
        for (int k = 0; k < t->nwho; k++)
            if (t->who[k] != &read_contender && t->row[i].cell[k].ran) m = fmax(m, t->row[i].cell[k].mac_per_cycle);
    return m;
}

static void legend(FILE *f, const struct table *t, int y)
{
    int x = LEFT;
    for (int k = 0; k < t->nwho; k++) {
        if (t->who[k] == &read_contender) continue;
        fprintf(f, "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">%s</text>\n", x, y - 4,
                colour[k], x + 9, y, t->who[k]->name);
        x += 90;
    }
    fprintf(f, "<text x=\"%d\" y=\"%d\">hollow: wrong outputs</text>\n", x, y);
}

static void line(FILE *f, const struct table *t, const struct row *r, int y, double scale)
{
    fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text><path d=\"M%d %dh%d\" stroke=\"#ddd\"/>\n",
            LEFT - 10, y + 4, r->layer->name, LEFT, y, WIDTH);
    for (int k = t->nwho - 1; k >= 0; k--) { /* ours last: on top */
        const struct cell *c = &r->cell[k];
        if (!c->ran || t->who[k] == &read_contender) continue;
        bool right = c->wrong_pct == 0;
        fprintf(f, "<circle cx=\"%.1f\" cy=\"%d\" r=\"%s\" fill=\"%s\" stroke=\"%s\"/>\n",
                LEFT + c->mac_per_cycle * scale, y, right ? "4" : "3.5", right ? colour[k] : "white", colour[k]);
    }
}

bool plot_svg(const struct table *t, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        return false;
    }
    int panels = 0, y = TOP;
    for (int i = 0; i < t->nrow; i++) panels += table_opens(t, i);
    double top = most(t), step = pow(10, floor(log10(top))), scale;
    if (top / step < 4) step /= 2;
    scale = WIDTH / top;
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
               "font-size=\"11\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            LEFT + WIDTH + RIGHT, TOP + t->nrow * LINE + panels * BELOW * 2);
    legend(f, t, 20);
    for (int i = 0; i < t->nrow; i++) {
        const struct row *first = &t->row[i];
        if (!table_opens(t, i)) continue;
        fprintf(f, "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">MAC/cycle, data %s, %d thread%s</text>\n", LEFT,
                y + 4, first->set, first->threads, first->threads > 1 ? "s" : "");
        int begin = y + 12;
        y = begin + LINE / 2;
        for (int j = i; j < t->nrow; j++) {
            const struct row *r = &t->row[j];
            if (r->set != first->set || r->threads != first->threads) continue;
            line(f, t, r, y, scale);
            y += LINE;
        }
        for (double v = 0; v <= top; v += step)
            fprintf(f, "<path d=\"M%.1f %dV%d\" stroke=\"#bbb\" stroke-dasharray=\"2 3\"/>"
                       "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
                    LEFT + v * scale, begin, y, LEFT + v * scale, y + 13, v);
        y += BELOW + LINE;
    }
    fputs("</svg>\n", f);
    bool ok = !ferror(f);
    if (fclose(f) || !ok) {
        perror(path);
        return false;
    }
    return true;
}
