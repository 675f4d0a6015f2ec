// The yardstick of every speed figure: an int8 matrix-vector product as a C programmer writes it. Row-major weights without padding, eight
// rows in flight that share each load of the activations, unsigned activations, horizontal sums of four rows at once. Nothing else of a
// cell: no activations, no state. With AVX2 it multiplies by vpmaddubsw, which may saturate: there it is not exact. With AVX-512 VNNI it
// multiplies 64 bytes by one vpdpbusd. Compiled with -O3 and -march=x86-64-v3 (AVX2) or -march=native. Without AVX2 the compiler finds the
// instructions.
#include <stdint.h>

#ifdef __AVX2__
#include <immintrin.h>

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#define LANES 64
typedef __m512i vector;
static inline vector load(const void *p) { return _mm512_loadu_si512(p); }
static inline vector zero(void) { return _mm512_setzero_si512(); }
static inline vector dot(vector sum, vector a, vector w) { return _mm512_dpbusd_epi32(sum, a, w); }
static inline __m256i half(vector s) { return _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1)); }
#else
#define LANES 32
typedef __m256i vector;
static inline vector load(const void *p) { return _mm256_loadu_si256(p); }
static inline vector zero(void) { return _mm256_setzero_si256(); }
static inline __m256i half(vector s) { return s; }
static inline vector dot(vector sum, vector a, vector w)
{
#ifdef __AVXVNNI__
    return _mm256_dpbusd_avx_epi32(sum, a, w);
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, w), _mm256_set1_epi16(1)));
#endif
}
#endif

static inline __m128i sum4(vector a, vector b, vector c, vector d)
{
    __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(half(a), half(b)), _mm256_hadd_epi32(half(c), half(d)));
    return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

// ROWS rows from w on. The last vector of a row reaches into the next row, where its activations are zero.
#define PRODUCT(ROWS)                                                                                       \
    vector sums[ROWS];                                                                                      \
    for (int k = 0; k < ROWS; k++)                                                                          \
        sums[k] = zero();                                                                                   \
    for (int j = 0; j < columns; j += LANES) {                                                              \
        vector a = load(activations + j);                                                                   \
        for (int k = 0; k < ROWS; k++)                                                                      \
            sums[k] = dot(sums[k], a, load(w + (long)k * columns + j));                                     \
    }                                                                                                       \
    for (int k = 0; k < ROWS; k += 4)                                                                       \
        _mm_storeu_si128((__m128i *)(out + r + k), sum4(sums[k], sums[k + 1], sums[k + 2], sums[k + 3]));

// out[rows] = weights[rows, columns] * activations[columns]. rows is a multiple of 4; activations are followed by zeros to a multiple of
// 64, weights by 63 bytes of anything.
void gemv(const int8_t *weights, const uint8_t *activations, int32_t *out, int rows, int columns)
{
    int r = 0;
    for (; r + 8 <= rows; r += 8) {
        const int8_t *w = weights + (long)r * columns;
        PRODUCT(8)
    }
    for (; r < rows; r += 4) {
        const int8_t *w = weights + (long)r * columns;
        PRODUCT(4)
    }
}

#else
// Four rows in flight, signed activations.
void gemv(const int8_t *restrict weights, const uint8_t *restrict activations, int32_t *restrict out, int rows, int columns)
{
    const int8_t *a = (const int8_t *)activations;
    for (int r = 0; r < rows; r += 4) {
        const int8_t *w0 = weights + (long)r * columns, *w1 = w0 + columns, *w2 = w1 + columns, *w3 = w2 + columns;
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (int j = 0; j < columns; j++) {
            s0 += w0[j] * a[j];
            s1 += w1[j] * a[j];
            s2 += w2[j] * a[j];
            s3 += w3[j] * a[j];
        }
        out[r] = s0, out[r + 1] = s1, out[r + 2] = s2, out[r + 3] = s3;
    }
}
#endif

// A step's worth of it, count times: every layer's 4H rows, then the head's 4. Each product has activations of its own, stride apart.
void gemv_steps(
    const int8_t *weights, const uint8_t *activations, int stride, int32_t *out, int input, int hidden, int layers, long count)
{
    for (long i = 0; i < count; i++) {
        const int8_t *w = weights;
        for (int l = 0; l < layers; l++) {
            int columns = (l ? hidden : input) + hidden;
            gemv(w, activations + (long)l * stride, out, 4 * hidden, columns);
            w += (long)4 * hidden * columns;
        }
        gemv(w, activations + (long)layers * stride, out, 4, hidden);
        __asm__ volatile("" : : "r"(out) : "memory");
    }
}
