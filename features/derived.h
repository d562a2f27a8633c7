/* Arithmetic on features already built: ratios, differences, asymmetries and z-scores against own baseline.

Where a result is undefined it is NaN. features/windows.c works it out while the inputs are still in the cache;
features/derived.py says what each derivation means.
*/

#define DAYS_PER_WEEK 7
#define MIDPOINTS_APART_DAYS 24.5 /* from the middle of the 42 days before the last 7 to the middle of the last 7 */

/* The order of DERIVATIONS in features/derived.py. */
enum Derivation {
    RATIO, SHARE_PCT, DIFFERENCE, PRODUCT, MEAN_OF_TWO, CHANGE_PCT, ASYMMETRY_PCT, SIGNED_ASYMMETRY_PCT, Z_SCORE,
    PER_WEEK, RESIDUAL_OF_WEEK
};

/* An infinite ratio says nothing about an athlete. */
static inline Lanes divided(Lanes top, Lanes bottom) {
    return choose(bottom != all(0), top / bottom, all(NONE));
}

static inline Lanes derive(int64_t derivation, Lanes a, Lanes b, Lanes c) {
    Lanes stronger = choose(a > b, a, b);
    switch (derivation) {
    case RATIO: return divided(a, b);
    case SHARE_PCT: return 100 * divided(a, b);
    case DIFFERENCE: return a - b;
    case PRODUCT: return a * b;
    case MEAN_OF_TWO: return (a + b) / 2;
    case CHANGE_PCT: return 100 * divided(a - b, b);
    case ASYMMETRY_PCT: return 100 * divided(absolute(a - b), stronger);
    case SIGNED_ASYMMETRY_PCT: return 100 * divided(b - a, stronger);
    case Z_SCORE: return divided(a - b, c);
    case PER_WEEK: return DAYS_PER_WEEK * a;
    /* A least-squares line passes through its mean at the middle of its days; the week is judged at its own middle. */
    case RESIDUAL_OF_WEEK: return a - (b + c * MIDPOINTS_APART_DAYS);
    }
    return all(NONE);
}
