/* Two-clock sums over windows of days, one moment after the other: every visible row is added directly. */

#include <stdint.h>

#define COLUMNS 8
#define WINDOWS 5

static const int64_t DAYS[WINDOWS] = {7, 14, 21, 28, 42};

typedef struct {
  const int64_t *starts, *day, *known, *gone;
  const double *values; /* rows x COLUMNS */
  const int64_t *moment_athlete, *moment_day;
  double *out; /* WINDOWS x COLUMNS x moments */
  int64_t moments;
} Task;

/* The first row of the athlete that is not before `day`. */
static int64_t first_from(const Task *task, int64_t athlete, int64_t day) {
  int64_t low = task->starts[athlete], high = task->starts[athlete + 1];
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (task->day[middle] < day) low = middle + 1;
    else high = middle;
  }
  return low;
}

static void store(const Task *task, int window, int64_t moment, const double *total) {
  double *out = task->out + (int64_t)window * COLUMNS * task->moments + moment;
  for (int column = 0; column < COLUMNS; column++) out[column * task->moments] = total[column];
}

void visible_sums(const Task *task, int64_t first, int64_t last) {
  for (int64_t moment = first; moment < last; moment++) {
    int64_t athlete = task->moment_athlete[moment], day = task->moment_day[moment];
    double total[COLUMNS] = {0};
    int window = 0;
    for (int64_t row = first_from(task, athlete, day) - 1; row >= task->starts[athlete]; row--) {
      int64_t age = day - task->day[row];
      if (age > DAYS[WINDOWS - 1]) break;
      for (; age > DAYS[window]; window++) store(task, window, moment, total);
      if (task->known[row] <= day && day < task->gone[row])
        for (int column = 0; column < COLUMNS; column++) total[column] += task->values[row * COLUMNS + column];
    }
    for (; window < WINDOWS; window++) store(task, window, moment, total);
  }
}
