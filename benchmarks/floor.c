/* The twenty features of a dense grid with one clock: what is left when nothing is looked up.

   `load` holds the days of one athlete after the other; `out` is 20 columns of `rows`, in the order of catalogue.py.
   Sums are direct, or sums of direct sums: nothing is subtracted, so that a window of zeros is exactly 0. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LONGEST 4096 /* days of one athlete */
#define BEFORE 64    /* days of zeros in front, so that no window begins outside */
#define SINCE 180

static const int WINDOWS[5] = {7, 14, 21, 28, 42};
static const int LEAST[5] = {5, 10, 15, 20, 30};

static void copy_to(double *out, const double *value, int64_t days, int64_t first) {
  for (int64_t d = 0; d < first && d < days; d++) out[d] = NAN;
  for (int64_t d = first; d < days; d++) out[d] = value[d];
}

static void mean_to(double *out, const double *sum, int64_t days, int64_t first, int64_t window) {
  for (int64_t d = 0; d < first && d < days; d++) out[d] = NAN;
  int64_t d = first;
  for (; d < window && d < days; d++) out[d] = sum[d] / (double)d;
  for (; d < days; d++) out[d] = sum[d] / (double)window;
}

static void ratio_to(double *restrict out, const double *restrict upper, const double *restrict lower, int64_t days) {
  for (int64_t d = 0; d < days; d++) {
    double ratio = upper[d] / lower[d];
    out[d] = lower[d] == 0 ? NAN : ratio;
  }
}

static void spread_to(double *restrict out, const double *restrict x, const double *restrict mean, int64_t days) {
  for (int64_t d = 0; d < 5 && d < days; d++) out[d] = NAN;
  for (int64_t d = 5; d < days; d++) {
    double squares = 0;
    int64_t seen = d < 7 ? d : 7;
    for (int64_t k = 1; k <= seen; k++) squares += (x[d - k] - mean[d]) * (x[d - k] - mean[d]);
    out[d] = sqrt(squares / (double)(seen - 1));
  }
}

static void exponential_to(double *out, const double *x, int64_t days, int64_t first, double keep) {
  double total = 0, weight = 0;
  for (int64_t d = 0; d < days; d++) {
    out[d] = d < first ? NAN : total / weight;
    total = keep * total + x[d];
    weight = keep * weight + 1;
  }
}

static void since_to(double *out, const double *x, int64_t days) {
  int64_t newest = -SINCE - 1;
  for (int64_t d = 0; d < days; d++) {
    out[d] = d - newest > SINCE ? NAN : (double)(d - newest);
    if (x[d] > 0) newest = d;
  }
}

static void athlete_to(double *out, int64_t rows, const double *load, int64_t days) {
  static _Thread_local double padded[BEFORE + LONGEST], sums[5][BEFORE + LONGEST];
  double *x = padded + BEFORE, *sum[5], *column[20];
  for (int i = 0; i < 5; i++) sum[i] = sums[i] + BEFORE;
  for (int i = 0; i < 20; i++) column[i] = out + i * rows;
  memcpy(x, load, (size_t)days * sizeof(double));
  for (int64_t d = 0; d < days; d++) {
    double total = 0;
    for (int k = 1; k <= 7; k++) total += x[d - k];
    sum[0][d] = total;
  }
  for (int64_t d = 0; d < days; d++) sum[1][d] = sum[0][d] + sum[0][d - 7];
  for (int64_t d = 0; d < days; d++) sum[2][d] = sum[1][d] + sum[0][d - 14];
  for (int64_t d = 0; d < days; d++) sum[3][d] = sum[1][d] + sum[1][d - 14];
  for (int64_t d = 0; d < days; d++) sum[4][d] = sum[3][d] + sum[1][d - 28];
  for (int i = 0; i < 5; i++) {
    copy_to(column[i], sum[i], days, LEAST[i]);
    mean_to(column[5 + i], sum[i], days, LEAST[i], WINDOWS[i]);
  }
  spread_to(column[10], x, column[5], days);
  ratio_to(column[11], column[5], column[10], days);
  exponential_to(column[12], x, days, LEAST[0], 1 - 2.0 / 8);
  exponential_to(column[13], x, days, LEAST[3], 1 - 2.0 / 29);
  ratio_to(column[14], column[5], column[8], days);
  for (int64_t d = 0; d < 7 && d < days; d++) column[17][d] = NAN;
  if (days > 7) mean_to(column[17] + 7, sum[2], days - 7, LEAST[2], 21);
  ratio_to(column[15], column[5], column[17], days);
  ratio_to(column[16], column[12], column[13], days);
  copy_to(column[18], x - 1, days, 1);
  since_to(column[19], x, days);
}

void features_of(double *out, int64_t rows, const double *loads, int64_t metrics, const int64_t *starts, int64_t first,
                 int64_t last) {
  for (int64_t athlete = first; athlete < last; athlete++)
    for (int64_t metric = 0; metric < metrics; metric++)
      athlete_to(out + metric * 20 * rows + starts[athlete], rows, loads + metric * rows + starts[athlete],
                 starts[athlete + 1] - starts[athlete]);
}
