/* Exact Shapley values of boosted trees, and of pairs of features, on blocks of rows.

A leaf of value v that lies behind decisions on some features is worth v x (product over those features of o), where o is
1 if the row satisfies all decisions on the feature and else 0. If z is the chance that somebody unknown satisfies them,
the feature's Shapley value is v x (o - z) x integral over t in [0, 1] of the product over the others of
t o + (1 - t) z, which Gauss and Legendre's rule gives exactly with half as many points as there are features.

At one point t all leaves are gone through at once. With f = t o + (1 - t) z of the decisions so far on its feature, a
node hands f' / f to its left child and the rest, 1 - f' / f, to its right one, so that one pass down gives each node's
product (`reach`). One pass up gives the value expected below it (`worth`), and their difference between the children
times `reach`, times (o' - o z' / z) x z / f^2, is the node's share of the integrand: a sum over nodes, not over
leaves times features, without a division. z comes from the trees' own training rows (path-dependent) or is 1 or 0 by
what one background row satisfies (interventional).

A row's result depends on no other row, so any order and any number of threads gives the same bits. models/treeshap.py
prepares the arrays and is the only caller.
*/

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 8
#define BLOCK 128 /* rows that are explained by one tree after the other */
#define GROUPS (BLOCK / LANES)
#define SMALLEST 1e-35f /* LightGBM takes anything nearer to 0 as 0 */

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#define ALWAYS static inline __attribute__((always_inline))

typedef double Lanes __attribute__((vector_size(64)));
typedef int64_t Masks __attribute__((vector_size(64)));

/* A decision. Children and leaves share numbers within a tree: nodes first, in such an order that what stands below a
node follows it at once, then leaves. */
typedef struct {
    double threshold, left_share; /* a row goes left if its value is at most the threshold; share of training rows */
    int32_t feature, child[2];
    int32_t before, before_side;  /* the nearest node above that asks the same feature (-1: none), the child taken there */
    int32_t end;                  /* the first node that does not stand below it */
    int32_t missing_left, zero_is_missing;
} Node;

typedef struct {
    int64_t first_node, nodes, first_leaf;
    int64_t points; /* of the quadrature */
} Tree;

typedef struct {
    int64_t trees, features, most_nodes, most_points;
    const Tree *tree;
    const Node *node;
    const double *leaf;
    const double *place, *weight; /* the rule of n points on [0, 1] begins at n (n - 1) / 2 */
} Forest;

/* Rows (rows x features), explained against one background row after the other, or by the trees' own shares. */
typedef struct {
    const double *row;
    const double *background; /* background_rows x features */
    int64_t background_rows;  /* 0: path-dependent */
} Question;

/* Which group each feature belongs to, and how many groups there are. */
typedef struct {
    const int32_t *group;
    int64_t groups;
} Grouping;

/* What does not depend on the row: of each node and point the factor of going left if the row does not, what it gains if
the row does, and z / f^2; of each node the share that goes left. */
typedef struct {
    double *otherwise, *gained, *bend, *share, *before;
} Table;

/* Of eight rows: who goes left, who satisfied the decisions so far on the node's feature; of each node and point the
product of factors down to it and the value expected below it (leaves too); what its children differ by; of each node
and point the product for one node above. */
typedef struct {
    Masks *left, *so_far;
    Lanes *reach, *worth, *apart, *other;
} Desk;

typedef struct {
    Table table;
    Desk desk;
    Lanes *value, *total; /* features x GROUPS */
    Lanes *pair;          /* groups x groups x GROUPS; NULL where nobody asks */
    void *room;
} Work;

ALWAYS Lanes all(double value) {
    return (Lanes){value, value, value, value, value, value, value, value};
}

ALWAYS Lanes kept(Masks where, Lanes values) {
    return (Lanes)((Masks)values & where);
}

ALWAYS Lanes choose(Masks where, Lanes yes, Lanes no) {
    return (Lanes)(((Masks)yes & where) | ((Masks)no & ~where));
}

ALWAYS Masks going_left(const Node *node, Lanes value) {
    Masks left = node->missing_left ? ~(value > all(node->threshold)) : value <= all(node->threshold);
    if (!node->zero_is_missing)
        return left;
    Masks zero = value == all(0);
    return node->missing_left ? left | zero : left & ~zero;
}

static int one_goes_left(const Node *node, double value) {
    int is_missing = isnan(value) || (node->zero_is_missing && value == 0);
    return is_missing ? node->missing_left : value <= node->threshold;
}

static inline double without_dust(double value) {
    return fabs(value) <= SMALLEST ? 0 : value;
}

/* The shares that go left: of training rows, or whether the background row does. */
static void share_out(const Node *node, const Tree *tree, const double *background, Table *table) {
    for (int64_t n = 0; n < tree->nodes; n++) {
        const Node *at = node + n;
        table->share[n] = background ? one_goes_left(at, without_dust(background[at->feature])) : at->left_share;
        double above = 1;
        if (at->before >= 0) {
            double left = table->share[at->before];
            above = table->before[at->before] * (at->before_side ? 1 - left : left);
        }
        table->before[n] = above;
    }
}

static void tabulate(const Forest *forest, const Tree *tree, Table *table) {
    int64_t points = tree->points;
    const double *place = forest->place + points * (points - 1) / 2;
    for (int64_t n = 0; n < tree->nodes; n++) {
        double z = table->before[n], share = table->share[n];
        double *otherwise = table->otherwise + n * points, *gained = table->gained + n * points, *bend = table->bend + n * points;
        for (int64_t q = 0; q < points; q++) {
            double t = place[q], f = z == 1 ? 1 : t + (1 - t) * z;
            int is_whole = z == 1 || z == 0; /* nearly always, and without a division */
            otherwise[q] = is_whole ? (1 - t) * z * share : (1 - t) * z * share / f;
            gained[q] = z == 1 ? t : z == 0 ? 1 : t / f;
            bend[q] = is_whole ? z : z / (f * f);
        }
    }
}

/* The values of leaves, which no row changes, on the desk. */
static void lay_out(const Forest *forest, const Tree *tree, Desk *desk) {
    Lanes *leaf = desk->worth + tree->nodes * tree->points;
    for (int64_t i = 0; i <= tree->nodes; i++)
        for (int64_t q = 0; q < tree->points; q++)
            leaf[i * tree->points + q] = all(forest->leaf[tree->first_leaf + i]);
}

static void decide(const Node *node, const Tree *tree, const Lanes *value, Desk *desk) {
    for (int64_t n = 0; n < tree->nodes; n++) {
        const Node *at = node + n;
        desk->left[n] = going_left(at, value[(int64_t)at->feature * GROUPS]);
        if (at->before >= 0) {
            Masks left = desk->left[at->before], took = at->before_side ? ~left : left;
            desk->so_far[n] = node[at->before].before >= 0 ? took & desk->so_far[at->before] : took;
        }
    }
}

/* The factor that a node hands to its left child at one point. */
ALWAYS Lanes factor(const Node *at, const Table *table, const Desk *desk, int64_t n, int64_t place) {
    Lanes own = all(table->otherwise[place]) + kept(desk->left[n], all(table->gained[place]));
    return at->before < 0 ? own : choose(desk->so_far[n], own, all(table->share[n]));
}

ALWAYS void descend(const Node *node, const Tree *tree, const double *weight, const Table *table, Desk *desk, int64_t points) {
    for (int64_t q = 0; q < points; q++)
        desk->reach[q] = all(weight[q]);
    for (int64_t n = 0; n < tree->nodes; n++) {
        const Node *at = node + n;
        int keeps_left = at->child[0] < tree->nodes, keeps_right = at->child[1] < tree->nodes;
        if (!keeps_left && !keeps_right)
            continue;
        const Lanes *here = desk->reach + n * points;
        Lanes *left = desk->reach + at->child[0] * points, *right = desk->reach + at->child[1] * points;
        for (int64_t q = 0; q < points; q++) {
            Lanes taken = here[q] * factor(at, table, desk, n, n * points + q);
            if (keeps_left)
                left[q] = taken;
            if (keeps_right)
                right[q] = here[q] - taken;
        }
    }
}

/* What the row's own decision differs from the share by; nothing where an earlier one on the feature failed. */
ALWAYS Lanes surprise(const Node *at, const Table *table, const Desk *desk, int64_t n) {
    Lanes found = kept(desk->left[n], all(1)) - all(table->share[n]);
    return at->before < 0 ? found : kept(desk->so_far[n], found);
}

ALWAYS void ascend(const Node *node, const Tree *tree, const Table *table, Desk *desk, Lanes *total, int64_t points, int keeps) {
    for (int64_t n = tree->nodes - 1; n >= 0; n--) {
        const Node *at = node + n;
        const Lanes *left = desk->worth + at->child[0] * points, *right = desk->worth + at->child[1] * points;
        Lanes *here = desk->worth + n * points, *reach = desk->reach + n * points;
        Lanes sum = all(0);
        for (int64_t q = 0; q < points; q++) {
            Lanes apart = left[q] - right[q];
            here[q] = right[q] + factor(at, table, desk, n, n * points + q) * apart;
            Lanes bent = at->before < 0 ? apart : apart * all(table->bend[n * points + q]);
            sum += reach[q] * bent;
            if (keeps)
                desk->apart[n * points + q] = bent;
        }
        total[(int64_t)at->feature * GROUPS] += surprise(at, table, desk, n) * sum;
    }
}

/* Half of what each pair of features of two groups adds together: the product down to each node below `n`, with the
factor of `n` replaced by its surprise, is the pair's integrand. */
ALWAYS void pair_up(
    const Node *node, const Tree *tree, const Table *table, Desk *desk, const Grouping *by, Lanes *pair, int64_t points) {
    for (int64_t n = 0; n < tree->nodes; n++) {
        const Node *above = node + n;
        Lanes apart = surprise(above, table, desk, n);
        for (int64_t q = 0; q < points; q++) {
            Lanes start = desk->reach[n * points + q] * apart * all(table->bend[n * points + q]);
            desk->other[above->child[0] * points + q] = start;
            desk->other[above->child[1] * points + q] = -start;
        }
        int32_t one = by->group[above->feature];
        for (int64_t m = n + 1; m < above->end; m++) {
            const Node *at = node + m;
            Lanes *here = desk->other + m * points, sum = all(0);
            for (int64_t q = 0; q < points; q++) {
                Lanes taken = here[q] * factor(at, table, desk, m, m * points + q);
                sum += here[q] * desk->apart[m * points + q];
                desk->other[at->child[0] * points + q] = taken;
                desk->other[at->child[1] * points + q] = here[q] - taken;
            }
            int32_t two = by->group[at->feature];
            if (one != two)
                pair[(one < two ? one * by->groups + two : two * by->groups + one) * GROUPS] +=
                    all(0.5) * surprise(at, table, desk, m) * sum;
        }
    }
}

/* Eight rows of one tree; `by` is NULL where nobody asks for pairs. */
ALWAYS void explain_lanes(
    const Forest *forest, const Tree *tree, const Grouping *by, Work *work, int64_t group, int64_t points) {
    const Node *node = forest->node + tree->first_node;
    Desk *desk = &work->desk;
    decide(node, tree, work->value + group, desk);
    descend(node, tree, forest->weight + points * (points - 1) / 2, &work->table, desk, points);
    ascend(node, tree, &work->table, desk, work->total + group, points, by != NULL);
    if (by)
        pair_up(node, tree, &work->table, desk, by, work->pair + group, points);
}

/* With the number of points known to the compiler where trees are of usual depth. */
ALWAYS void explain_tree(const Forest *forest, const Tree *tree, const Grouping *by, Work *work, int64_t groups) {
#define WITH(count)                                                 \
    case count:                                                     \
        for (int64_t group = 0; group < groups; group++)            \
            explain_lanes(forest, tree, by, work, group, count);    \
        return;
    switch (tree->points) {
        WITH(1) WITH(2) WITH(3) WITH(4) WITH(5) WITH(6) WITH(7) WITH(8)
    }
#undef WITH
    for (int64_t group = 0; group < groups; group++)
        explain_lanes(forest, tree, by, work, group, tree->points);
}

ALWAYS void explain_block(const Forest *forest, const Question *question, const Grouping *by, Work *work, int64_t groups) {
    for (int64_t i = 0; i < forest->trees; i++) {
        const Tree *tree = forest->tree + i;
        const Node *node = forest->node + tree->first_node;
        if (!tree->nodes)
            continue;
        lay_out(forest, tree, &work->desk);
        int64_t tables = question->background_rows ? question->background_rows : 1;
        for (int64_t b = 0; b < tables; b++) {
            share_out(node, tree, question->background_rows ? question->background + b * forest->features : NULL, &work->table);
            tabulate(forest, tree, &work->table);
            explain_tree(forest, tree, by, work, groups);
        }
    }
}

static void read_rows(const Forest *forest, const double *row, int64_t count, Work *work) {
    double *value = (double *)work->value;
    memset(value, 0, (size_t)forest->features * BLOCK * sizeof *value);
    for (int64_t f = 0; f < forest->features; f++)
        for (int64_t i = 0; i < count; i++)
            value[f * BLOCK + i] = without_dust(row[i * forest->features + f]);
}

static void write_rows(const Lanes *found, int64_t width, int64_t count, double *out) {
    const double *value = (const double *)found;
    for (int64_t f = 0; f < width; f++)
        for (int64_t i = 0; i < count; i++)
            out[i * width + f] = value[f * BLOCK + i];
}

/* A pair counts on both sides; what a group adds beyond its pairs stands on the diagonal. */
static void complete_pairs(const Forest *forest, const Grouping *by, Work *work) {
    int64_t groups = by->groups;
    for (int64_t f = 0; f < forest->features; f++)
        for (int64_t i = 0; i < GROUPS; i++)
            work->pair[by->group[f] * (groups + 1) * GROUPS + i] += work->total[f * GROUPS + i];
    for (int64_t a = 0; a < groups; a++)
        for (int64_t b = a + 1; b < groups; b++)
            for (int64_t i = 0; i < GROUPS; i++) {
                Lanes both = work->pair[(a * groups + b) * GROUPS + i];
                work->pair[(b * groups + a) * GROUPS + i] = both;
                work->pair[a * (groups + 1) * GROUPS + i] -= both;
                work->pair[b * (groups + 1) * GROUPS + i] -= both;
            }
}

static void *taken(char **room, int64_t count, size_t size) {
    char *place = *room;
    *room += ((size_t)count * size + 63) / 64 * 64;
    return place;
}

/* Hands out the arrays from one piece of memory; returns how long it must be. */
static size_t furnish(const Forest *forest, const Grouping *by, char *room, Work *work) {
    int64_t nodes = forest->most_nodes, cells = nodes * forest->most_points, all_cells = cells * 2 + forest->most_points;
    char *end = room;
    Table *table = &work->table;
    Desk *desk = &work->desk;
    double **tables[] = {&table->otherwise, &table->gained, &table->bend, &table->share, &table->before};
    for (int i = 0; i < 5; i++)
        *tables[i] = taken(&end, i < 3 ? cells : nodes, sizeof(double));
    desk->left = taken(&end, nodes, sizeof(Masks));
    desk->so_far = taken(&end, nodes, sizeof(Masks));
    desk->reach = taken(&end, cells, sizeof(Lanes));
    desk->worth = taken(&end, all_cells, sizeof(Lanes));
    desk->apart = taken(&end, by ? cells : 0, sizeof(Lanes));
    desk->other = taken(&end, by ? all_cells : 0, sizeof(Lanes));
    work->value = taken(&end, forest->features * GROUPS, sizeof(Lanes));
    work->total = taken(&end, forest->features * GROUPS, sizeof(Lanes));
    work->pair = taken(&end, by ? by->groups * by->groups * GROUPS : 0, sizeof(Lanes));
    return (size_t)(end - room);
}

/* The contributions of the rows first to last - 1 (rows x features), or with `by` of pairs of groups (rows x groups x
groups); over several background rows their sum. Returns 0, or 1 if memory ran out. */
EXPORT int explain_rows(
    const Forest *forest, const Question *question, const Grouping *by, int64_t first, int64_t last, double *out) {
    Work work;
    char *room = malloc(furnish(forest, by, NULL, &work) + 63);
    if (!room)
        return 1;
    furnish(forest, by, room + (64 - (uintptr_t)room % 64) % 64, &work);
    int64_t width = by ? by->groups * by->groups : forest->features;
    for (int64_t start = first; start < last; start += BLOCK) {
        int64_t count = last - start < BLOCK ? last - start : BLOCK, groups = (count + LANES - 1) / LANES;
        read_rows(forest, question->row + start * forest->features, count, &work);
        memset(work.total, 0, (size_t)(forest->features * GROUPS) * sizeof(Lanes));
        if (by) {
            memset(work.pair, 0, (size_t)(width * GROUPS) * sizeof(Lanes));
            explain_block(forest, question, by, &work, groups);
            complete_pairs(forest, by, &work);
        } else {
            explain_block(forest, question, NULL, &work, groups);
        }
        write_rows(by ? work.pair : work.total, width, count, out + start * width);
    }
    free(room);
    return 0;
}

/* LightGBM's own arrays, tree after tree: of each tree leaves - 1 nodes and as many leaves. A child c >= 0 is a node,
else it is leaf ~c. */
typedef struct {
    int64_t trees, features;
    const int64_t *leaves; /* trees */
    const int64_t *feature, *decision, *left, *right, *node_rows;
    const double *threshold, *value;
    const int64_t *leaf_rows;
} Dump;

enum Refusal { FINE, NO_TREE, CATEGORICAL, ROWS_DIFFER, NO_MEMORY };

/* LightGBM's decision_type: bit 0 categories, bit 1 missing values go left, bits 2 and 3 what counts as missing. */
#define IS_CATEGORICAL 1
#define DEFAULT_LEFT 2
#define MISSING(decision) (((decision) >> 2) & 3)
#define MISSING_ZERO 1
#define MISSING_NAN 2

/* Which side a missing value takes: where nothing counts as missing it is read as 0. */
static int missing_goes_left(int64_t decision, double threshold) {
    int is_known = MISSING(decision) == MISSING_ZERO || MISSING(decision) == MISSING_NAN;
    return is_known ? (decision & DEFAULT_LEFT) != 0 : 0 <= threshold;
}

/* What is still to be numbered: a child as LightGBM names it, the node it hangs below and on which side. */
typedef struct {
    int64_t child, above, side;
} Wanted;

/* One tree on its way into the order of Node; for each node so far the one above it, and on how many features a row was
asked down to it. */
typedef struct {
    const Dump *dump;
    int64_t node, leaf, nodes; /* where the tree begins in the dump, and its size */
    int64_t *above, *asked;
    Wanted *wanted;
    Node *out;
} Ordering;

static int64_t rows_of(const Ordering *tree, int64_t child) {
    return child >= 0 ? tree->dump->node_rows[tree->node + child] : tree->dump->leaf_rows[tree->leaf + ~child];
}

static void link_earlier(Ordering *tree, int64_t n) {
    Node *at = tree->out + n;
    at->before = -1;
    for (int64_t below = n, up = tree->above[n]; up >= 0 && at->before < 0; below = up, up = tree->above[up])
        if (tree->out[up].feature == at->feature) {
            at->before = (int32_t)up;
            at->before_side = tree->out[up].child[1] == below;
        }
    tree->asked[n] = (tree->above[n] < 0 ? 0 : tree->asked[tree->above[n]]) + (at->before < 0);
}

static int is_child(const Ordering *tree, int64_t child) {
    return child >= 0 ? child < tree->nodes : ~child <= tree->nodes;
}

static enum Refusal add_node(Ordering *tree, int64_t n, int64_t from) {
    const Dump *dump = tree->dump;
    int64_t left = dump->left[from], right = dump->right[from];
    int64_t rows = dump->node_rows[from], decision = dump->decision[from];
    if (!is_child(tree, left) || !is_child(tree, right))
        return NO_TREE;
    if (decision & IS_CATEGORICAL)
        return CATEGORICAL;
    if (dump->feature[from] < 0 || dump->feature[from] >= dump->features)
        return NO_TREE;
    if (rows <= 0 || rows_of(tree, left) + rows_of(tree, right) != rows)
        return ROWS_DIFFER;
    Node *at = tree->out + n;
    at->threshold = dump->threshold[from];
    at->left_share = (double)rows_of(tree, left) / (double)rows;
    at->feature = (int32_t)dump->feature[from];
    at->missing_left = missing_goes_left(decision, at->threshold);
    at->zero_is_missing = MISSING(decision) == MISSING_ZERO;
    link_earlier(tree, n);
    return FINE;
}

/* Depth first, left before right. */
static enum Refusal order_nodes(Ordering *tree) {
    int64_t made = 0, open = tree->nodes > 0;
    tree->wanted[0] = (Wanted){0, -1, 0};
    while (open) {
        Wanted next = tree->wanted[--open];
        if (next.above >= 0)
            tree->out[next.above].child[next.side] = (int32_t)(next.child < 0 ? tree->nodes + ~next.child : made);
        if (next.child < 0)
            continue;
        if (made == tree->nodes)
            return NO_TREE;
        int64_t from = tree->node + next.child;
        tree->above[made] = next.above;
        enum Refusal refusal = add_node(tree, made, from);
        if (refusal)
            return refusal;
        tree->wanted[open++] = (Wanted){tree->dump->right[from], made, 1};
        tree->wanted[open++] = (Wanted){tree->dump->left[from], made++, 0};
    }
    return made == tree->nodes ? FINE : NO_TREE;
}

/* Where each node's subtree ends, and half the most features that a leaf of the tree lies behind, rounded up. */
static int64_t finish_tree(Ordering *tree) {
    int64_t most = 1;
    for (int64_t n = tree->nodes - 1; n >= 0; n--) {
        Node *at = tree->out + n;
        int64_t last = at->child[1] < tree->nodes ? at->child[1] : at->child[0];
        at->end = last < tree->nodes ? tree->out[last].end : (int32_t)(n + 1);
        most = tree->asked[n] > most ? tree->asked[n] : most;
    }
    return (most + 1) / 2;
}

/* Brings the trees of a dump into order: `tree` has room for all of them, `node` for all their nodes. Returns FINE, or
why a tree cannot be explained here, and in `refused` which. */
EXPORT int arrange(const Dump *dump, Tree *tree, Node *node, int64_t *refused) {
    int64_t most = 0;
    for (int64_t i = 0; i < dump->trees; i++)
        most = dump->leaves[i] > most ? dump->leaves[i] : most;
    Ordering at = {.dump = dump, .out = node};
    at.above = malloc((size_t)(most + 1) * 2 * sizeof *at.above);
    at.wanted = malloc((size_t)(most + 2) * sizeof *at.wanted);
    enum Refusal refusal = at.above && at.wanted ? FINE : NO_MEMORY;
    at.asked = at.above + most + 1;
    for (int64_t i = 0; i < dump->trees && !refusal; i++) {
        *refused = i;
        at.nodes = dump->leaves[i] - 1;
        refusal = order_nodes(&at);
        if (!refusal)
            tree[i] = (Tree){at.node, at.nodes, at.leaf, finish_tree(&at)};
        at.node += at.nodes;
        at.leaf += at.nodes + 1;
        at.out += at.nodes;
    }
    free(at.above);
    free(at.wanted);
    return refusal;
}

#ifndef SOURCE
#define SOURCE ""
#endif
EXPORT const char *built_from(void) {
    return SOURCE;
}
