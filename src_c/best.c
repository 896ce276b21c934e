#include "best.h"

#include <math.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { GLANCE = BEST_GLANCE, FEW = 16 };

/* ---- keys */

/* Bits that grow as the score falls. */
static uint32_t bits_of(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 is 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~bits & 0x7fffffffu;
}

static float score_of(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float score;
    bits = bits >> 31 ? bits : ~bits & 0x7fffffffu;
    memcpy(&score, &bits, sizeof score);
    return score;
}

static uint64_t key_of(float score, uint32_t number)
{
    return (uint64_t)bits_of(score) << 32 | number;
}

/* ---- order */

static void swap(uint64_t *a, uint64_t *b)
{
    uint64_t kept = *a;
    *a = *b;
    *b = kept;
}

/* Parts two keys or more about the middle one of three: all before the result are at most, all
 * from it on at least as large; it is neither 0 nor count. */
static size_t part(uint64_t *keys, size_t count)
{
    uint64_t *middle = keys + (count - 1) / 2, *last = keys + count - 1;
    if (*middle < *keys)
        swap(middle, keys);
    if (*last < *keys)
        swap(last, keys);
    if (*last < *middle)
        swap(last, middle);
    uint64_t pivot = *middle;
    size_t low = 0, high = count - 1;
    for (;;) {
        while (low < count - 1 && keys[low] < pivot)
            low++;
        while (high > 0 && keys[high] > pivot)
            high--;
        if (low >= high)
            return high + 1 < count ? high + 1 : count - 1;
        swap(keys + low++, keys + high--);
    }
}

static void sort_few(uint64_t *keys, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint64_t key = keys[i];
        size_t j = i;
        for (; j > 0 && keys[j - 1] > key; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

static void sort(uint64_t *keys, size_t count)
{
    while (count > FEW) {
        size_t cut = part(keys, count);
        if (cut < count - cut) {
            sort(keys, cut);
            keys += cut;
            count -= cut;
        } else {
            sort(keys + cut, count - cut);
            count = cut;
        }
    }
    sort_few(keys, count);
}

/* Brings the num smallest of the keys to the front. */
static void select_smallest(uint64_t *keys, size_t count, size_t num)
{
    while (count > FEW && num > 0 && num < count) {
        size_t cut = part(keys, count);
        if (num <= cut) {
            count = cut;
        } else {
            keys += cut;
            count -= cut;
            num -= cut;
        }
    }
    if (num < count)
        sort_few(keys, count);
}

/* ---- rows */

/* How many keys a row has; -1 where it cannot be. Another thread may change it: it is read once. */
static int64_t count_of(const best_kept *kept, size_t row)
{
    int64_t count = *(const volatile int64_t *)(kept->counts + row);
    return count >= 0 && count <= (int64_t)kept->room ? count : -1;
}

/* Casts off all but the best num of a row that has more; the least score of these. */
static float cast_off(uint64_t *keys, size_t count, size_t num)
{
    select_smallest(keys, count, num);
    uint64_t worst = keys[0];
    for (size_t i = 1; i < num; i++)
        worst = keys[i] > worst ? keys[i] : worst;
    return score_of(worst);
}

#ifdef __GNUC__
/* Four at a time: the compilers do not find that by themselves. */
typedef float four __attribute__((vector_size(16)));
typedef int32_t truths __attribute__((vector_size(16)));

static int any_above(const float *scores, float least)
{
    four limit = {least, least, least, least}, some;
    truths any = {0, 0, 0, 0};
    int64_t halves[2];
    for (int i = 0; i < GLANCE; i += 4) {
        memcpy(&some, scores + i, sizeof some);
        any |= some > limit;
    }
    memcpy(halves, &any, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}
#else
static int any_above(const float *scores, float least)
{
    int any = 0;
    for (int i = 0; i < GLANCE; i++)
        any |= scores[i] > least;
    return any;
}
#endif

/* Keys of those of some scores that are above the least, behind count others; how many there are
 * then. No branch: none could be foretold. */
static size_t join_some(uint64_t *keys, size_t count, const float *scores, size_t some,
                        uint32_t first, float least)
{
    for (size_t i = 0; i < some; i++) {
        keys[count] = key_of(scores[i], first + (uint32_t)i);
        count += scores[i] > least;
    }
    return count;
}

#if defined(__GNUC__) && defined(__SSE2__)
/* The same of GLANCE scores, of which one or two are above as a rule. */
static size_t join_glance(uint64_t *keys, size_t count, const float *scores, uint32_t first,
                          float least)
{
    __m128 limit = _mm_set1_ps(least);
    uint32_t above = 0; /* a bit for each */
    for (int i = 0; i < GLANCE; i += 4)
        above |= (uint32_t)_mm_movemask_ps(_mm_cmpgt_ps(_mm_loadu_ps(scores + i), limit)) << i;
    for (; above; above &= above - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(above);
        keys[count++] = key_of(scores[i], first + i);
    }
    return count;
}
#else
static size_t join_glance(uint64_t *keys, size_t count, const float *scores, uint32_t first,
                          float least)
{
    return join_some(keys, count, scores, GLANCE, first, least);
}
#endif

static size_t join_row(const best_kept *kept, size_t row, size_t count, const float *scores,
                       size_t columns, uint32_t first)
{
    uint64_t *keys = kept->keys + row * kept->room;
    float least = kept->least[row];
    for (size_t start = 0; start < columns; start += GLANCE) {
        size_t some = columns - start < GLANCE ? columns - start : GLANCE;
        if (some == GLANCE && !any_above(scores + start, least))
            continue;
        if (count + GLANCE > kept->room) {
            least = cast_off(keys, count, kept->num);
            count = kept->num;
        }
        uint32_t number = first + (uint32_t)start;
        count = some == GLANCE ? join_glance(keys, count, scores + start, number, least)
                               : join_some(keys, count, scores + start, some, number, least);
    }
    kept->least[row] = least;
    return count;
}

int best_join(const best_kept *kept, const float *scores, size_t columns, uint32_t first)
{
    for (size_t row = 0; row < kept->rows; row++) {
        int64_t count = count_of(kept, row);
        if (count < 0)
            return 0;
        kept->counts[row] = (int64_t)join_row(kept, row, (size_t)count, scores + row * columns,
                                              columns, first);
    }
    return 1;
}

int best_write(const best_kept *kept, float *scores, int64_t *numbers)
{
    for (size_t row = 0; row < kept->rows; row++) {
        int64_t count = count_of(kept, row);
        uint64_t *keys = kept->keys + row * kept->room;
        if (count < 0)
            return 0;
        size_t found = (size_t)count < kept->num ? (size_t)count : kept->num;
        select_smallest(keys, (size_t)count, kept->num);
        sort(keys, found);
        for (size_t i = 0; i < kept->num; i++) {
            scores[row * kept->num + i] = i < found ? score_of(keys[i]) : -INFINITY;
            numbers[row * kept->num + i] = i < found ? (int64_t)(keys[i] & 0xffffffffu) : -1;
        }
    }
    return 1;
}
