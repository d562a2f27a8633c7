/* What is visible at a moment, and its aggregates.

A row counts for a moment iff known_at <= as_of < superseded_at and its local day lies in the half-open window
(day - lag - reach, day - lag]. Rows of a moment are gathered once, newest first, and every window adds up its own
rows: a running sum that adds and subtracts would leave 1e-13 where the answer is exactly 0. Eight columns of a table
are worked on at once. A moment's result depends on no other moment, so any order and any number of threads gives the
same bits. features/windows.py prepares the arrays and is the only caller.
*/

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#define LANES 8
#define BLOCK 64 /* moments whose features are kept in cache until all are known */
#define DAY_US 86400000000LL

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef double Lanes __attribute__((vector_size(64)));
typedef int64_t Masks __attribute__((vector_size(64)));
typedef double LanesInMemory __attribute__((vector_size(64), aligned(8)));
typedef int64_t MasksInMemory __attribute__((vector_size(64), aligned(8)));

/* The order of AGGREGATES in features/windows.py. */
enum Aggregate {
    SUM, MEAN, MAX, MIN, LAST, LAST_DAY_MEAN, MEAN_BEFORE_LAST_DAY, SPREAD, COUNT, DAY_COUNT, COVERED_SHARE_PCT,
    DAILY_MEAN, DAILY_SPREAD, DAILY_SLOPE, EXPONENTIAL, DAYS_SINCE, YEARS_SINCE, DAYS_SINCE_REST, LONGEST_RUN_DAYS
};

/* The order of REASONS in features/windows.py. */
enum Reason { PRESENT, NONE_IN_WINDOW, TOO_FEW_VALUES, NOT_IN_USE, NOT_RECORDED, MIXED_SPEEDS };

/* Rows of one table, ordered by athlete, day and arrival. */
typedef struct {
    const int64_t *start; /* athletes + 1: athlete a has the rows start[a] ... start[a + 1] - 1 */
    const int64_t *day, *known_at, *superseded_at; /* rows */
} History;

/* When the table's sources were in use: athletes x slots, ordered by first day; slots = 0 where nobody says so. */
typedef struct {
    int64_t slots;
    const int64_t *first, *last, *known_at, *superseded_at;
    const int64_t *reach; /* the latest of the last days up to this slot */
} Coverage;

/* One aggregate of one window for up to eight columns. */
typedef struct {
    int64_t aggregate, adds_up;
    int64_t needs_record; /* it means nothing before a value of the column was ever recorded */
    int64_t counts, reads_window; /* it asks how many rows hold or use the column; more than the newest row */
    int64_t lag_days, window_days;
    double at_least;       /* values below are not used; minus infinity: all are */
    const double *weight;  /* exponential: keep ** age for age 0 ... weights - 1; older days weigh nothing */
    int64_t weights, memory; /* exponential: which of the panel's memories is its own */
    int64_t feature[LANES];  /* where the lane's result goes, -1 for nowhere */
    MasksInMemory wanted;    /* -1 in the lanes whose results go anywhere */
    double empty[LANES];     /* result of a covered window without rows; NaN: missing */
    double most_covered_days; /* the most that any lane asks for in the next line */
    double least_covered_days[LANES]; /* fewer covered days make the result missing */
    double least_held_share[LANES];   /* of the rows, so many must hold the column */
} Task;

typedef struct {
    History history;
    Coverage coverage;
    int64_t always_in_use;         /* 1 for a table in which an absent row means nothing */
    const LanesInMemory *values;   /* rows; NaN where missing */
    const MasksInMemory *recorded; /* athletes: instant from which the column has held a value */
    int64_t speeds;                /* columns that must agree for rows to be added up */
    const double *const *speed;    /* speeds x rows; NaN where not stated */
    const MasksInMemory *speed_of; /* speeds: -1 in the lanes that a speed belongs to */
    int64_t most_rows, tasks, memories; /* rows of the athlete with most; how many tasks are exponential */
    const Task *task;              /* ordered by at_least, lag and window */
} Panel;

typedef struct {
    const int64_t *athlete, *day, *as_of;
} Moments;

/* A feature worked out from up to three others, which stand before it. */
typedef struct {
    int64_t derivation, feature, input[3];
} Derived;

typedef struct {
    int64_t features, panels, derivations;
    const Panel *panel;
    const Derived *derived;
} Plan;

/* Results by feature: `value` in rows of `stride` (a multiple of eight, at an address that is one of 64), `day` and
`reason` in rows of `moments`; these two may be NULL. */
typedef struct {
    int64_t moments, stride;
    double *value;
    int32_t *day;
    uint8_t *reason;
} Results;

typedef struct {
    int64_t first, last;
} Stretch;

/* Exponential sums up to each row of one athlete, over the rows that were never superseded: see Decay. */
typedef struct {
    LanesInMemory *total, *outside, *from;
    MasksInMemory *held;
} Memory;

/* Rows, newest first: which, of what day, and how many of those before it lie on days that no coverage names. */
typedef struct {
    int64_t *row, *day, *outside;
} Rows;

/* An athlete's rows in one panel: what holds of them at any moment that comes late enough. */
typedef struct {
    int64_t athlete, complete; /* -1: nobody yet; whether every row holds every column */
    int64_t *settled;          /* from when on nothing changes up to this row */
    int64_t *covered;          /* whether its day is covered in the end */
    int64_t *lasting;          /* how many of the rows up to this one were never superseded */
    Rows rows;                 /* those rows, after as much room again */
    Memory *memory;
    int remembers;
} Athlete;

/* What one moment sees of one panel, newest row first. */
typedef struct {
    const Panel *panel;
    int64_t athlete, day, as_of;
    int64_t rows, stretches, end; /* end: first of the athlete's rows that is dated after the moment */
    Rows seen, covered_up;        /* seen: the athlete's lasting rows, the first of them covered up by newer ones */
    int64_t newer;                /* how many */
    Stretch *stretch;             /* known and disjoint, oldest first */
    LanesInMemory *total;         /* totals per day; NaN for a lane without a used row on that day */
    int64_t *total_day;
    Athlete of;
} View;

/* The rows of one window and what nearly every aggregate needs of them. */
typedef struct {
    double at_least;
    int64_t lag, days, from, to; /* rows from ... to - 1 of the view */
    double covered;
    int64_t counted;       /* what follows is of the rows up to here: tasks that ask for it count the others */
    Lanes sum, held, used; /* of used values; rows that hold the column; rows that are used */
    Lanes slowest, fastest;
} Window;

static const double NONE = NAN;

static inline Lanes all(double value) {
    return (Lanes){value, value, value, value, value, value, value, value};
}

static inline Lanes choose(Masks where, Lanes yes, Lanes no) {
    return (Lanes)(((Masks)yes & where) | ((Masks)no & ~where));
}

static inline Lanes kept(Masks where, Lanes values) {
    return (Lanes)((Masks)values & where);
}

static inline Lanes absolute(Lanes values) {
    return choose(values < all(0), -values, values);
}

static inline Lanes quotient(Lanes top, Lanes bottom) {
    return choose(bottom > all(0), top / bottom, all(NONE));
}

#include "derived.h"

static inline int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static inline int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static inline int64_t floor_day(int64_t instant) {
    return instant >= 0 ? instant / DAY_US : -((DAY_US - 1 - instant) / DAY_US);
}

static inline double weight_of(const Task *task, int64_t age) {
    return age < task->weights ? task->weight[age] : 0;
}

static inline int sees(int64_t known_at, int64_t superseded_at, int64_t as_of) {
    return known_at <= as_of && as_of < superseded_at;
}

/* First of the athlete's rows that is dated after `day`. */
static int64_t end_of(const History *history, int64_t athlete, int64_t day) {
    int64_t low = history->start[athlete], high = history->start[athlete + 1];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (history->day[middle] <= day)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Moments often come in order of athlete and day: then the end is a few rows further on. */
static int64_t end_near(const History *history, int64_t athlete, int64_t day, int64_t hint) {
    int64_t first = history->start[athlete], end = history->start[athlete + 1];
    if (hint < first || hint > end || (hint > first && history->day[hint - 1] > day))
        return end_of(history, athlete, day);
    for (int steps = 0; hint < end && history->day[hint] <= day; hint++)
        if (++steps > 8)
            return end_of(history, athlete, day);
    return hint;
}

/* Known and disjoint stretches up to the moment's day. That a source was still in use is itself known only later: a
stretch reaches the day of its receipt (before the moment's own day: nobody can tell in advance how a day goes on), and
then grows day by day with the delay of its first day. */
static int64_t known_stretches(const Coverage *coverage, int64_t athlete, int64_t day, int64_t as_of, Stretch *found) {
    int64_t count = 0, reach = INT64_MIN;
    for (int64_t slot = athlete * coverage->slots; slot < (athlete + 1) * coverage->slots; slot++) {
        if (!sees(coverage->known_at[slot], coverage->superseded_at[slot], as_of))
            continue;
        int64_t first = coverage->first[slot], known_at = coverage->known_at[slot];
        int64_t delay = known_at - first * DAY_US;
        int64_t until = larger(smaller(floor_day(known_at), day - 1), floor_day(as_of - delay));
        int64_t last = smaller(smaller(coverage->last[slot], until), day);
        if (reach >= first)
            first = reach + 1;
        if (first > last)
            continue;
        if (count && first == reach + 1)
            found[count - 1].last = last;
        else
            found[count++] = (Stretch){first, last};
        reach = last;
    }
    return count;
}

static void find_coverage(View *view) {
    const Panel *panel = view->panel;
    if (panel->always_in_use) {
        view->stretches = 1;
        view->stretch[0] = (Stretch){INT32_MIN, view->day};
    } else {
        view->stretches = known_stretches(&panel->coverage, view->athlete, view->day, view->as_of, view->stretch);
    }
}

static int is_covered(const View *view, int64_t day) {
    for (int64_t i = view->stretches - 1; i >= 0; i--)
        if (view->stretch[i].first <= day)
            return day <= view->stretch[i].last;
    return 0;
}

/* The newest row of an earlier day that ends its day and up to which everything was settled; one before the first if
there is none. */
static int64_t last_settled(const View *view, int64_t begin, int64_t end) {
    const int64_t *day = view->panel->history.day;
    for (int64_t at = end - 1; at >= begin; at--)
        if (view->of.settled[at - begin] <= view->as_of && day[at] < view->day && (at + 1 == end || day[at + 1] > day[at]))
            return at;
    return begin - 1;
}

static void swap(int64_t *a, int64_t *b) {
    int64_t kept_value = *a;
    *a = *b;
    *b = kept_value;
}

/* What stands in for lasting rows changes places with them: the second time undoes the first. */
static void cover_up(View *view) {
    for (int64_t i = 0; i < view->newer; i++) {
        swap(&view->seen.row[i], &view->covered_up.row[i]);
        swap(&view->seen.day[i], &view->covered_up.day[i]);
        swap(&view->seen.outside[i], &view->covered_up.outside[i]);
    }
}

/* All rows that the moment sees: those that were settled by then, and before them the visible ones of the others. */
static void gather(View *view) {
    const History *history = &view->panel->history;
    const Athlete *of = &view->of;
    int64_t begin = history->start[view->athlete], all_rows = history->start[view->athlete + 1] - begin;
    view->end = end_near(history, view->athlete, view->day, view->end);
    int64_t settled = last_settled(view, begin, view->end), newer = 0;
    for (int64_t row = settled + 1; row < view->end; row++)
        newer += sees(history->known_at[row], history->superseded_at[row], view->as_of);
    int64_t lasting = all_rows ? of->lasting[all_rows - 1] : 0;
    int64_t first = view->panel->most_rows + lasting - (settled >= begin ? of->lasting[settled - begin] : 0);
    view->newer = newer;
    view->seen = (Rows){of->rows.row + first - newer, of->rows.day + first - newer, of->rows.outside + first - newer};
    view->rows = view->panel->most_rows + lasting - first + newer;
    int64_t outside = of->rows.outside[first];
    for (int64_t row = settled + 1, at = newer; row < view->end; row++) {
        if (!sees(history->known_at[row], history->superseded_at[row], view->as_of))
            continue;
        at--;
        outside -= !is_covered(view, history->day[row]);
        view->covered_up.row[at] = row;
        view->covered_up.day[at] = history->day[row];
        view->covered_up.outside[at] = outside;
    }
    cover_up(view);
}

static inline Lanes values_of(const View *view, int64_t at) {
    return view->panel->values[view->seen.row[at]];
}

static inline Masks is_used(const Window *window, Lanes values) {
    return values >= all(window->at_least); /* false for NaN */
}

static double covered_days(const View *view, int64_t lag, int64_t days) {
    int64_t total = 0, last = view->day - lag, first = last - days + 1;
    for (int64_t i = 0; i < view->stretches; i++)
        total += larger(0, smaller(view->stretch[i].last, last) - larger(view->stretch[i].first, first) + 1);
    return (double)total;
}

static Window first_window(const View *view, const Task *task) {
    Window window = {.at_least = task->at_least, .lag = task->lag_days, .slowest = all(INFINITY), .fastest = all(-INFINITY)};
    while (window.from < view->rows && view->seen.day[window.from] > view->day - window.lag)
        window.from++;
    window.to = window.counted = window.from;
    return window;
}

static void note_speeds(const View *view, Window *window, int64_t at, Masks held) {
    const Panel *panel = view->panel;
    for (int64_t i = 0; i < panel->speeds; i++) {
        double speed = panel->speed[i][view->seen.row[at]];
        Masks lanes = held & panel->speed_of[i];
        window->slowest = choose(lanes & (all(speed) < window->slowest), all(speed), window->slowest);
        window->fastest = choose(lanes & (all(speed) > window->fastest), all(speed), window->fastest);
    }
}

/* Let the window reach so many days back. */
static void widen(const View *view, Window *window, int64_t days) {
    if (window->days == days)
        return;
    int64_t oldest = view->day - window->lag - days;
    while (window->to < view->rows && view->seen.day[window->to] > oldest)
        window->to++;
    window->days = days;
    window->covered = covered_days(view, window->lag, days);
}

/* Add the rows that were not counted yet. `complete` is a constant: without gaps there are no masks to apply. */
static inline __attribute__((always_inline)) void add_rows(const View *view, Window *window, const int complete) {
    Lanes sum = window->sum, held = window->held, used = window->used;
    for (int64_t at = window->counted; at < window->to; at++) {
        Lanes values = values_of(view, at);
        Masks holds = complete ? ~(Masks){0} : values == values, uses = complete ? holds : is_used(window, values);
        sum += complete ? values : kept(uses, values);
        if (!complete) {
            held -= __builtin_convertvector(holds, Lanes);
            used -= __builtin_convertvector(uses, Lanes);
        }
        if (view->panel->speeds)
            note_speeds(view, window, at, holds);
    }
    double rows = complete ? (double)(window->to - window->counted) : 0;
    window->sum = sum;
    window->held = held + rows;
    window->used = used + rows;
    window->counted = window->to;
}

static void count_rows(const View *view, Window *window) {
    if (view->of.complete && window->at_least == -INFINITY)
        add_rows(view, window, 1);
    else
        add_rows(view, window, 0);
}

/* Totals per day of the used rows, newest day first. */
static int64_t day_totals(const View *view, const Window *window) {
    int64_t count = 0;
    for (int64_t at = window->from; at < window->to;) {
        int64_t day = view->seen.day[at];
        Lanes total = all(0);
        Masks any = {0};
        for (; at < window->to && view->seen.day[at] == day; at++) {
            Lanes values = values_of(view, at);
            Masks uses = is_used(window, values);
            total += kept(uses, values);
            any |= uses;
        }
        view->total[count] = choose(any, total, all(NONE));
        view->total_day[count++] = day;
    }
    return count;
}

/* Days that hold a used row although no coverage names them: the row itself is the evidence. */
static Lanes outside_days(const View *view, const Window *window) {
    Lanes found = all(0);
    if (view->seen.outside[window->to] == view->seen.outside[window->from])
        return found;
    for (int64_t at = window->from; at < window->to;) {
        int64_t day = view->seen.day[at], is_outside = view->seen.outside[at + 1] > view->seen.outside[at];
        Masks any = {0};
        for (; at < window->to && view->seen.day[at] == day; at++)
            any |= is_used(window, values_of(view, at));
        if (is_outside)
            found += kept(any, all(1));
    }
    return found;
}

static Lanes days_in_use(const View *view, const Window *window) {
    return all(window->covered) + outside_days(view, window);
}

/* When a day before the moment's own is covered for good, or, if it never is, when the last stretch that held it was superseded. */
static int64_t coverage_settled(const Coverage *coverage, int64_t athlete, int64_t day, int *covered) {
    int64_t for_good = INT64_MAX, passing = INT64_MIN, begin = athlete * coverage->slots, end = begin + coverage->slots;
    for (int64_t low = begin; low < end;) {
        int64_t middle = low + (end - low) / 2;
        if (coverage->first[middle] <= day)
            low = middle + 1;
        else
            end = middle;
    }
    for (int64_t slot = end - 1; slot >= begin && coverage->reach[slot] >= day; slot--) {
        int64_t known_at = coverage->known_at[slot], gone = coverage->superseded_at[slot];
        if (known_at == INT64_MAX || day > coverage->last[slot])
            continue;
        int64_t delay = known_at - coverage->first[slot] * DAY_US;
        int64_t from = day <= floor_day(known_at) ? known_at : day * DAY_US + delay;
        if (gone == INT64_MAX)
            for_good = smaller(for_good, from);
        else
            passing = larger(passing, gone);
    }
    *covered = for_good < INT64_MAX;
    return *covered ? for_good : passing;
}

/* From when on nothing changes up to each of the athlete's rows, and whether its day is covered in the end. */
static void settle(const View *view, Athlete *of) {
    const Panel *panel = view->panel;
    const History *history = &panel->history;
    int64_t begin = history->start[view->athlete], latest = INT64_MIN, lasting = 0;
    for (int64_t row = begin; row < history->start[view->athlete + 1]; row++) {
        int is_covered_at_last = 1;
        if (!panel->always_in_use) {
            int64_t from = coverage_settled(&panel->coverage, view->athlete, history->day[row], &is_covered_at_last);
            latest = larger(latest, from);
        }
        latest = larger(latest, history->known_at[row]);
        if (history->superseded_at[row] != INT64_MAX)
            latest = larger(latest, history->superseded_at[row]);
        lasting += history->superseded_at[row] == INT64_MAX;
        of->settled[row - begin] = latest;
        of->covered[row - begin] = is_covered_at_last;
        of->lasting[row - begin] = lasting;
    }
}

/* The athlete's lasting rows, newest first, behind room for as many others. */
static void line_up(const View *view, Athlete *of) {
    const History *history = &view->panel->history;
    int64_t begin = history->start[view->athlete], at = view->panel->most_rows, outside = 0;
    for (int64_t row = history->start[view->athlete + 1] - 1; row >= begin; row--) {
        if (history->superseded_at[row] != INT64_MAX)
            continue;
        of->rows.row[at] = row;
        of->rows.day[at] = history->day[row];
        of->rows.outside[at++] = outside;
        outside += !of->covered[row - begin];
    }
    of->rows.outside[at] = outside;
}

static int is_complete(const Panel *panel, int64_t athlete) {
    Masks holds = ~(Masks){0};
    for (int64_t row = panel->history.start[athlete]; row < panel->history.start[athlete + 1]; row++)
        holds &= panel->values[row] == panel->values[row];
    return __builtin_reduce_and(holds) != 0;
}

/* Moments often come athlete by athlete: what holds for all of them is found out once. */
static void meet(View *view) {
    if (view->of.athlete == view->athlete)
        return;
    settle(view, &view->of);
    line_up(view, &view->of);
    view->of.complete = is_complete(view->panel, view->athlete);
    view->of.remembers = 0;
    view->of.athlete = view->athlete;
}

/* An exponential sum that goes from row to row: of used values, and of days outside the coverage that hold one. */
typedef struct {
    const Task *task;
    int64_t day;
    Lanes total, outside;
    Lanes from; /* day from which the column was recorded; minus infinity: no row lacked it before, infinity: all did */
    Masks any;  /* lanes with a used row on that day */
    Masks held; /* lanes with a value on any day */
} Decay;

static inline void age(Decay *decay, int64_t day) {
    if (day == decay->day)
        return;
    double weight = weight_of(decay->task, day - decay->day);
    decay->total *= weight;
    decay->outside *= weight;
    decay->any = (Masks){0};
    decay->day = day;
}

static inline void add_row(Decay *decay, Lanes values, int is_outside) {
    Masks uses = values >= all(decay->task->at_least), holds = values == values;
    decay->from = choose(~holds & ~decay->held, all(INFINITY), decay->from);
    decay->from = choose(holds & (decay->from == all(INFINITY)), all((double)decay->day), decay->from);
    decay->held |= holds;
    decay->total += kept(uses, values);
    if (is_outside)
        decay->outside += kept(uses & ~decay->any, all(1));
    decay->any |= uses;
}

/* Exponential sums up to each of the athlete's rows, so that a moment adds only what was still unsettled then. */
static void remember(View *view) {
    const Panel *panel = view->panel;
    const History *history = &panel->history;
    int64_t begin = history->start[view->athlete], end = history->start[view->athlete + 1];
    for (int64_t t = 0; t < panel->tasks; t++) {
        if (panel->task[t].aggregate != EXPONENTIAL)
            continue;
        Decay decay = {.task = &panel->task[t], .day = begin < end ? history->day[begin] : 0, .from = all(-INFINITY)};
        for (int64_t row = begin; row < end; row++) {
            age(&decay, history->day[row]);
            if (history->superseded_at[row] == INT64_MAX)
                add_row(&decay, panel->values[row], !view->of.covered[row - begin]);
            view->of.memory[panel->task[t].memory].total[row - begin] = decay.total;
            view->of.memory[panel->task[t].memory].outside[row - begin] = decay.outside;
            if (view->of.complete)
                continue; /* no row ever lacked a column: there is nothing more to remember */
            view->of.memory[panel->task[t].memory].from[row - begin] = decay.from;
            view->of.memory[panel->task[t].memory].held[row - begin] = decay.held;
        }
    }
    view->of.remembers = 1;
}

/* Weight of the covered days from `from` on. */
static double covered_weight(const View *view, const Task *task, int64_t newest, double from) {
    double found = 0;
    for (int64_t i = 0; i < view->stretches && view->stretch[i].first <= newest; i++) {
        int64_t first = view->stretch[i].first, last = smaller(view->stretch[i].last, newest);
        if ((double)first < from)
            first = from > (double)last ? last + 1 : (int64_t)from;
        found += weight_of(task, newest - last) - weight_of(task, newest - first + 1);
    }
    return found / (1 - task->weight[1]);
}

static Lanes covered_weights(const View *view, const Task *task, int64_t newest, Lanes from) {
    if (!__builtin_reduce_or(from > all(-INFINITY)))
        return all(covered_weight(view, task, newest, -INFINITY));
    Lanes found;
    for (int lane = 0; lane < LANES; lane++)
        found[lane] = covered_weight(view, task, newest, from[lane]);
    return found;
}

/* Exponentially weighted mean per day in use, the newest day heaviest. */
static Lanes exponential(View *view, const Task *task) {
    const Panel *panel = view->panel;
    const History *history = &panel->history;
    if (!view->of.remembers)
        remember(view);
    int64_t newest = view->day - task->lag_days, begin = history->start[view->athlete];
    int64_t end = task->lag_days ? end_of(history, view->athlete, newest) : view->end;
    int64_t at = last_settled(view, begin, end);
    Decay decay = {.task = task, .day = begin < end ? history->day[begin] : newest, .from = all(-INFINITY)};
    if (at >= begin) {
        const Memory *memory = &view->of.memory[task->memory];
        decay.day = history->day[at];
        decay.total = memory->total[at - begin];
        decay.outside = memory->outside[at - begin];
        if (!view->of.complete) {
            decay.from = memory->from[at - begin];
            decay.held = memory->held[at - begin];
        }
    }
    for (at++; at < end; at++)
        if (sees(history->known_at[at], history->superseded_at[at], view->as_of)) {
            age(&decay, history->day[at]);
            add_row(&decay, panel->values[at], !is_covered(view, history->day[at]));
        }
    age(&decay, newest);
    return quotient(decay.total, covered_weights(view, task, newest, decay.from) + decay.outside);
}

/* Day, or value, of the newest used row of each lane; NaN without one. Looks at the rows themselves: it mostly ends at
the first of them, long before the window does. */
static Lanes newest(const View *view, const Task *task, const int wants_day) {
    const Panel *panel = view->panel;
    const History *history = &panel->history;
    int64_t last = view->day - task->lag_days, oldest = last - task->window_days;
    Lanes found = all(NONE);
    Masks open = task->wanted;
    for (int64_t row = view->end - 1; row >= history->start[view->athlete] && history->day[row] > oldest; row--) {
        if (history->day[row] > last || !sees(history->known_at[row], history->superseded_at[row], view->as_of))
            continue;
        Lanes values = panel->values[row];
        Masks here = open & (values >= all(task->at_least));
        found = choose(here, wants_day ? all((double)history->day[row]) : values, found);
        open &= ~here;
        if (!__builtin_reduce_or(open))
            break;
    }
    return found;
}

/* Mean of the newest day's used rows, or of all earlier ones: a test of both limbs is one result. */
static Lanes mean_by_newest_day(const View *view, const Window *window, const Task *task, int before) {
    Lanes newest_day = newest(view, task, 1), total = all(0), count = all(0);
    for (int64_t at = window->from; at < window->to; at++) {
        Lanes values = values_of(view, at), day = all((double)view->seen.day[at]);
        Masks taken = is_used(window, values) & (before ? day < newest_day : day == newest_day);
        total += kept(taken, values);
        count += kept(taken, all(1));
    }
    return quotient(total, count);
}

static Lanes extreme(const View *view, const Window *window, double sign) {
    Lanes found = all(NONE);
    for (int64_t at = window->from; at < window->to; at++) {
        Lanes values = values_of(view, at);
        found = choose(is_used(window, values) & ~(all(sign) * values <= all(sign) * found), values, found);
    }
    return found;
}

/* Sample standard deviation (ddof 1) of the rows, taken around one of them: equal values leave exactly 0. */
static Lanes spread(const View *view, const Window *window, const Task *task) {
    Lanes origin = newest(view, task, 0), mean = all(0), squares = all(0);
    for (int64_t at = window->from; at < window->to; at++) {
        Lanes values = values_of(view, at);
        mean += kept(is_used(window, values), values - origin);
    }
    mean = quotient(mean, window->used);
    for (int64_t at = window->from; at < window->to; at++) {
        Lanes values = values_of(view, at), off = values - origin - mean;
        squares += kept(is_used(window, values), off * off);
    }
    return __builtin_elementwise_sqrt(quotient(squares, window->used - 1));
}

/* A total to measure the others from, so that equal totals leave exactly 0; 0 where some day in use was one of rest. */
static Lanes origin_of(const View *view, int64_t totals, Lanes days) {
    Lanes origin = all(NONE);
    for (int64_t i = 0; i < totals; i++) {
        origin = choose(origin == origin, origin, view->total[i]);
        days -= kept(view->total[i] == view->total[i], all(1));
    }
    return choose((origin == origin) & (days == all(0)), origin, all(0));
}

/* Sample standard deviation (ddof 1) over days in use, days of rest as 0: Foster's monotony divides by it. */
static Lanes daily_spread(const View *view, const Window *window) {
    int64_t count = day_totals(view, window);
    Lanes days = days_in_use(view, window), origin = origin_of(view, count, days);
    Lanes mean = all(0), squares = all(0), resting = days;
    for (int64_t i = 0; i < count; i++) {
        Masks active = view->total[i] == view->total[i];
        mean += kept(active, view->total[i] - origin);
        resting -= kept(active, all(1));
    }
    mean = quotient(mean, days);
    for (int64_t i = 0; i < count; i++) {
        Lanes off = view->total[i] - origin - mean;
        squares += kept(off == off, off * off);
    }
    return __builtin_elementwise_sqrt(quotient(squares + resting * mean * mean, days - 1));
}

/* Sum over covered days of their distance to `middle`, and of its square. */
static void covered_moments(const View *view, const Task *task, double middle, double *first, double *second) {
    int64_t newest = view->day - task->lag_days, oldest = newest - task->window_days + 1;
    *first = *second = 0;
    for (int64_t i = 0; i < view->stretches; i++)
        for (int64_t day = larger(view->stretch[i].first, oldest); day <= smaller(view->stretch[i].last, newest); day++) {
            *first += (double)day - middle;
            *second += ((double)day - middle) * ((double)day - middle);
        }
}

/* What is left where terms cancel, as a share of their absolute sum, is rounding and no slope. */
static const double ROUNDING = 0x1p-48;

/* Slope per day of the least-squares line through the totals of the days in use; missing below three days. */
static Lanes daily_slope(const View *view, const Window *window, const Task *task) {
    double middle = (double)(view->day - task->lag_days) - 0.5 * (double)(task->window_days - 1);
    double first, second;
    covered_moments(view, task, middle, &first, &second);
    int64_t count = day_totals(view, window);
    Lanes days = days_in_use(view, window), origin = origin_of(view, count, days);
    Lanes x = all(first), xx = all(second), xy = all(0), y = all(0), size = all(0);
    for (int64_t i = 0, at = window->from; i < count; i++) {
        double distance = (double)view->total_day[i] - middle;
        Masks active = view->total[i] == view->total[i];
        y += kept(active, view->total[i] - origin);
        Lanes term = kept(active, (view->total[i] - origin) * all(distance));
        xy += term;
        size += absolute(term);
        if (view->seen.outside[at + 1] > view->seen.outside[at]) {
            x += kept(active, all(distance));
            xx += kept(active, all(distance * distance));
        }
        while (at < window->to && view->seen.day[at] == view->total_day[i])
            at++;
    }
    Lanes rise = xy - x * y / days;
    rise = choose(absolute(rise) <= all(ROUNDING) * size, all(0), rise);
    Lanes slope = quotient(rise, xx - x * x / days);
    return choose(days >= all(3), slope, all(NONE));
}

static Lanes day_count(const View *view, const Window *window) {
    Lanes days = all(0);
    int64_t count = day_totals(view, window);
    for (int64_t i = 0; i < count; i++)
        days += kept(view->total[i] == view->total[i], all(1));
    return days;
}

/* Longest run of consecutive days with a used row. */
static Lanes longest_run(const View *view, const Window *window) {
    Lanes longest = all(0), run = all(0), last = all(NONE);
    int64_t count = day_totals(view, window);
    for (int64_t i = 0; i < count; i++) {
        Masks active = view->total[i] == view->total[i];
        Lanes day = all((double)view->total_day[i]);
        run = choose(active, choose(last == day + 1, run + 1, all(1)), run);
        last = choose(active, day, last);
        longest = choose(run > longest, run, longest);
    }
    return longest;
}

/* Days from the newest covered day without a used row to the moment's own day. */
static Lanes days_since_rest(const View *view, const Window *window, const Task *task) {
    Lanes found = all(NONE);
    int64_t newest = view->day - task->lag_days, count = day_totals(view, window), next = 0;
    int64_t stretch = view->stretches - 1;
    Masks open = ~(Masks){0};
    for (int64_t day = newest; day > newest - task->window_days && __builtin_reduce_or(open); day--) {
        Masks active = {0};
        if (next < count && view->total_day[next] == day) {
            active = view->total[next] == view->total[next];
            next++;
        }
        while (stretch >= 0 && view->stretch[stretch].first > day)
            stretch--;
        if (stretch < 0)
            break;
        if (view->stretch[stretch].last < day)
            continue;
        found = choose(open & ~active, all((double)(view->day - day)), found);
        open &= active;
    }
    return found;
}

static Lanes compute(View *view, const Window *window, const Task *task) {
    switch (task->aggregate) {
    case SUM: return choose(window->used > all(0), window->sum, all(NONE));
    case MEAN: return quotient(window->sum, window->used);
    case MAX: return extreme(view, window, 1);
    case MIN: return extreme(view, window, -1);
    case LAST: return newest(view, task, 0);
    case LAST_DAY_MEAN: return mean_by_newest_day(view, window, task, 0);
    case MEAN_BEFORE_LAST_DAY: return mean_by_newest_day(view, window, task, 1);
    case SPREAD: return spread(view, window, task);
    case COUNT: return choose(window->used > all(0), window->used, all(NONE));
    case DAY_COUNT: return choose(window->used > all(0), day_count(view, window), all(NONE));
    case COVERED_SHARE_PCT: return quotient(all(100) * day_count(view, window), days_in_use(view, window));
    case DAILY_MEAN: return quotient(window->sum, days_in_use(view, window));
    case DAILY_SPREAD: return daily_spread(view, window);
    case DAILY_SLOPE: return daily_slope(view, window, task);
    case EXPONENTIAL: return exponential(view, task);
    case DAYS_SINCE: return all((double)view->day) - newest(view, task, 1);
    case YEARS_SINCE: return (all((double)view->day) - newest(view, task, 1)) / all(365.25);
    case DAYS_SINCE_REST: return days_since_rest(view, window, task);
    case LONGEST_RUN_DAYS: return choose(window->used > all(0), longest_run(view, window), all(NONE));
    }
    return all(NONE);
}

/* Whether every rule of `finish` lets every lane's result stand. */
static inline int stands(const View *view, const Window *window, const Task *task) {
    return view->of.complete && task->at_least == -INFINITY && window->to > window->from &&
           window->covered >= task->most_covered_days && !view->panel->speeds;
}

/* Fill windows in which nothing happened, and take back what rests on too little. */
static Lanes finish(const View *view, const Window *window, const Task *task, Lanes result, Masks *reason) {
    double rows = (double)(window->to - window->from);
    Masks recorded = view->panel->recorded[view->athlete] <= view->as_of;
    Lanes empty = *(const LanesInMemory *)task->empty;
    Masks nothing = (window->used == all(0)) & ((all(rows) == all(0)) | (window->held > all(0)));
    if (window->covered > 0)
        result = choose(nothing & recorded & (empty == empty), empty, result);
    if (task->needs_record)
        result = choose(recorded | (window->used > all(0)), result, all(NONE));
    Masks unused = all(window->covered) < *(const LanesInMemory *)task->least_covered_days;
    Masks unrecorded = {0}, mixed = {0};
    if (task->adds_up) {
        unrecorded = window->held < *(const LanesInMemory *)task->least_held_share * all(rows);
        mixed = window->slowest < window->fastest;
    }
    *reason = mixed & MIXED_SPEEDS;
    *reason |= ~mixed & unrecorded & NOT_RECORDED;
    *reason |= ~(mixed | unrecorded) & unused & NOT_IN_USE;
    return choose(unused | unrecorded | mixed, all(NONE), result);
}

/* Eight moments by eight lanes into eight lanes by eight moments. */
static inline __attribute__((always_inline)) void transpose(const LanesInMemory *from, int64_t stride, Lanes *to) {
    Lanes a[LANES], b[LANES];
    for (int i = 0; i < LANES; i += 2) {
        Lanes even = from[i * stride], odd = from[(i + 1) * stride];
        a[i] = __builtin_shufflevector(even, odd, 0, 8, 2, 10, 4, 12, 6, 14);
        a[i + 1] = __builtin_shufflevector(even, odd, 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int i = 0; i < LANES; i += 4)
        for (int j = 0; j < 2; j++) {
            b[i + j] = __builtin_shufflevector(a[i + j], a[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            b[i + j + 2] = __builtin_shufflevector(a[i + j], a[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int j = 0; j < 4; j++) {
        to[j] = __builtin_shufflevector(b[j], b[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        to[j + 4] = __builtin_shufflevector(b[j], b[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/* The results of one task into the block: features x BLOCK moments. */
static void store(const Task *task, const LanesInMemory *results, int64_t stride, double *block) {
    for (int64_t i = 0; i < BLOCK; i += LANES) {
        Lanes columns[LANES];
        transpose(results + i * stride, stride, columns);
        for (int lane = 0; lane < LANES; lane++)
            if (task->feature[lane] >= 0)
                *(LanesInMemory *)(block + task->feature[lane] * BLOCK + i) = columns[lane];
    }
}

static void derive_block(const Plan *plan, double *block) {
    for (int64_t d = 0; d < plan->derivations; d++) {
        const Derived *derived = &plan->derived[d];
        const double *a = block + derived->input[0] * BLOCK, *b = block + derived->input[1] * BLOCK;
        const double *c = block + derived->input[2] * BLOCK;
        for (int64_t i = 0; i < BLOCK; i += LANES)
            *(LanesInMemory *)(block + derived->feature * BLOCK + i) =
                derive(derived->derivation, *(const LanesInMemory *)(a + i), *(const LanesInMemory *)(b + i),
                       *(const LanesInMemory *)(c + i));
    }
}

/* Past the cache: nobody reads the results soon. */
static void write_out(const Plan *plan, const double *block, int64_t first, int64_t count, Results *out) {
    for (int64_t feature = 0; feature < plan->features; feature++) {
        double *target = out->value + feature * out->stride + first;
        for (int64_t i = 0; i < count; i += LANES)
            __builtin_nontemporal_store(*(const LanesInMemory *)(block + feature * BLOCK + i), (Lanes *)(target + i));
    }
}

static void write_why(
    const View *view, const Task *task, Lanes result, Masks reason, int64_t moment, Results *out) {
    Lanes newest_day = newest(view, task, 1);
    for (int lane = 0; lane < LANES; lane++) {
        if (task->feature[lane] < 0)
            continue;
        int64_t at = task->feature[lane] * out->moments + moment;
        int missing = isnan(result[lane]);
        int64_t otherwise = isnan(newest_day[lane]) ? NONE_IN_WINDOW : TOO_FEW_VALUES;
        out->day[at] = missing || isnan(newest_day[lane]) ? INT32_MIN : (int32_t)newest_day[lane];
        out->reason[at] = (uint8_t)(reason[lane] ? reason[lane] : missing ? otherwise : PRESENT);
    }
}

static void answer(View *view, LanesInMemory *results, int64_t moment, Results *out) {
    const Panel *panel = view->panel;
    meet(view);
    find_coverage(view);
    gather(view);
    Window window = first_window(view, &panel->task[0]);
    for (int64_t t = 0; t < panel->tasks; t++) {
        const Task *task = &panel->task[t];
        Masks reason = {0};
        if (!task->reads_window && !out->reason) {
            results[t] = compute(view, &window, task);
            continue;
        }
        if (task->at_least != window.at_least || task->lag_days != window.lag)
            window = first_window(view, task);
        widen(view, &window, task->window_days);
        if (task->counts)
            count_rows(view, &window);
        results[t] = compute(view, &window, task);
        if (!stands(view, &window, task))
            results[t] = finish(view, &window, task, results[t], &reason);
        if (out->reason)
            write_why(view, task, results[t], reason, moment, out);
    }
    cover_up(view);
}

/* Room for one moment's view in one piece of memory, zeroed; NULL if there is none. */
static void *make_room(View *view, const Panel *panel) {
    size_t rows = (size_t)panel->most_rows + 1, slots = (size_t)panel->coverage.slots + 1;
    size_t memories = (size_t)panel->memories;
    Athlete *of = &view->of;
    int64_t **wanted[] = {&view->total_day, &of->settled, &of->covered, &of->lasting, &view->covered_up.row,
                          &view->covered_up.day, &view->covered_up.outside};
    int64_t **twice[] = {&of->rows.row, &of->rows.day, &of->rows.outside};
    size_t whole = rows * (7 + 2 * 3) * sizeof(int64_t) + slots * sizeof(Stretch) + memories * sizeof(Memory) +
                   (1 + 4 * memories) * rows * sizeof(Lanes);
    char *room = calloc(1, whole), *at = room;
    if (!room)
        return NULL;
    for (int i = 0; i < 7; i++, at += rows * sizeof(int64_t))
        *wanted[i] = (int64_t *)at;
    for (int i = 0; i < 3; i++, at += 2 * rows * sizeof(int64_t))
        *twice[i] = (int64_t *)at;
    view->stretch = (Stretch *)at;
    at += slots * sizeof(Stretch);
    of->memory = (Memory *)at;
    at += memories * sizeof(Memory);
    view->total = (LanesInMemory *)at;
    for (size_t i = 0; i < memories; i++)
        of->memory[i] = (Memory){view->total + (4 * i + 1) * rows, view->total + (4 * i + 2) * rows,
                                 view->total + (4 * i + 3) * rows, (MasksInMemory *)(view->total + (4 * i + 4) * rows)};
    return room;
}

/* The widest vectors that processor and operating system offer, of those this file is built for: 2 AVX-512, 1 AVX2. */
EXPORT int vector_level(void) {
#ifdef __x86_64__
    unsigned a, b, c, d, kept_by_system, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 0;
    __asm__("xgetbv" : "=a"(kept_by_system), "=d"(high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    if ((b & bit_AVX512F) && (b & bit_AVX512DQ) && (kept_by_system & 0xe6) == 0xe6)
        return 2;
    if ((b & bit_AVX2) && (kept_by_system & 0x6) == 0x6)
        return 1;
#endif
    return 0;
}

/* Which source this library was built from (hatch_build.py): a stale one must not be read. */
EXPORT const char *built_from(void) {
    return SOURCE;
}

/* What one thread needs: a view of each panel, the results of one panel and the features of all, of one block. */
typedef struct {
    View *view;
    void **room;
    LanesInMemory *results;
    double *block;
} Desk;

static Desk set_up(const Plan *plan) {
    int64_t tasks = 0;
    for (int64_t p = 0; p < plan->panels; p++)
        tasks = larger(tasks, plan->panel[p].tasks);
    Desk desk = {
        .view = calloc((size_t)plan->panels + 1, sizeof(View)),
        .room = calloc((size_t)plan->panels + 1, sizeof(void *)),
        .results = calloc((size_t)(BLOCK * tasks) + 1, sizeof(Lanes)),
        .block = calloc((size_t)(BLOCK * plan->features) + 1, sizeof(double)),
    };
    if (desk.view && desk.room)
        for (int64_t p = 0; p < plan->panels; p++) {
            desk.view[p] = (View){.panel = &plan->panel[p], .end = -1, .of = {.athlete = -1}};
            desk.room[p] = make_room(&desk.view[p], &plan->panel[p]);
        }
    return desk;
}

static int is_ready(const Desk *desk, const Plan *plan) {
    int ready = desk->view && desk->room && desk->results && desk->block;
    for (int64_t p = 0; ready && p < plan->panels; p++)
        ready = desk->room[p] != NULL;
    return ready;
}

static void clear(Desk *desk, const Plan *plan) {
    for (int64_t p = 0; desk->room && p < plan->panels; p++)
        free(desk->room[p]);
    free(desk->room);
    free(desk->view);
    free(desk->results);
    free(desk->block);
}

/* All features of the moments first ... last - 1; `first` is a multiple of eight. Returns 0, or 1 if memory ran out. */
EXPORT int window_features(const Plan *plan, const Moments *moments, int64_t first, int64_t last, Results *out) {
    Desk desk = set_up(plan);
    int ready = is_ready(&desk, plan);
    for (int64_t start = first; start < last && ready; start += BLOCK) {
        int64_t count = smaller(BLOCK, last - start);
        for (int64_t p = 0; p < plan->panels; p++) {
            View *view = &desk.view[p];
            int64_t tasks = view->panel->tasks;
            for (int64_t i = 0; i < count; i++) {
                view->athlete = moments->athlete[start + i];
                view->day = moments->day[start + i];
                view->as_of = moments->as_of[start + i];
                answer(view, desk.results + i * tasks, start + i, out);
            }
            for (int64_t t = 0; t < tasks; t++)
                store(&view->panel->task[t], desk.results + t, tasks, desk.block);
        }
        derive_block(plan, desk.block);
        write_out(plan, desk.block, start, count, out);
    }
#ifdef __x86_64__
    __builtin_ia32_sfence();
#endif
    clear(&desk, plan);
    return !ready;
}

/* Pairs of a moment and a row that it sees within `reach_days`: moments rise, and rows within a moment. Returns their
number; with `moment` NULL it only counts. */
EXPORT int64_t visible_pairs(
    const History *history, const Moments *moments, int64_t count, int64_t reach_days, int64_t *moment, int64_t *row) {
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t athlete = moments->athlete[i], end = end_of(history, athlete, moments->day[i]);
        for (int64_t at = end_of(history, athlete, moments->day[i] - reach_days); at < end; at++) {
            if (!sees(history->known_at[at], history->superseded_at[at], moments->as_of[i]))
                continue;
            if (moment) {
                moment[found] = i;
                row[found] = at;
            }
            found++;
        }
    }
    return found;
}

/* The latest covered day up to each moment's own day; INT32_MIN without one. Returns 0, or 1 if memory ran out. */
EXPORT int last_covered(const Coverage *coverage, const Moments *moments, int64_t count, int64_t *day) {
    Stretch *found = malloc((size_t)(coverage->slots + 1) * sizeof *found);
    for (int64_t i = 0; i < count && found; i++) {
        int64_t known = known_stretches(coverage, moments->athlete[i], moments->day[i], moments->as_of[i], found);
        day[i] = known ? found[known - 1].last : INT32_MIN;
    }
    free(found);
    return found == NULL;
}
