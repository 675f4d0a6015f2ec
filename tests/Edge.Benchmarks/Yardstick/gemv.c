// The yardstick of every speed figure: a plain int8 matrix-vector product as C programs write it for AVX2. Row-major weights,
// one row at a time, unsigned activations, vpmaddubsw (which may saturate: the yardstick is not exact), vpmaddwd, a
// horizontal sum a row. Nothing else of a cell: no activations, no state. cc -O3 -mavx2.
#include <immintrin.h>
#include <stdint.h>

void gemv(const int8_t *weights, const uint8_t *activations, int32_t *out, int rows, int columns /* a multiple of 32 */)
{
    const __m256i ones = _mm256_set1_epi16(1);
    for (int r = 0; r < rows; r++) {
        const int8_t *w = weights + (long)r * columns;
        __m256i sum = _mm256_setzero_si256();
        for (int j = 0; j < columns; j += 32) {
            __m256i a = _mm256_loadu_si256((const __m256i *)(activations + j));
            __m256i b = _mm256_loadu_si256((const __m256i *)(w + j));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
        }
        __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
        out[r] = _mm_cvtsi128_si32(s);
    }
}

// A step's worth of it, count times: every layer's 4H rows, then the head's 4.
void gemv_steps(const int8_t *weights, const uint8_t *activations, int32_t *out, int input, int hidden, int layers, long count)
{
    for (long i = 0; i < count; i++) {
        const int8_t *w = weights;
        for (int l = 0; l < layers; l++) {
            int columns = ((l ? hidden : input) + hidden + 31) / 32 * 32;
            gemv(w, activations, out, 4 * hidden, columns);
            w += (long)4 * hidden * columns;
        }
        gemv(w, activations, out, 4, (hidden + 31) / 32 * 32);
        __asm__ volatile("" : : "r"(out) : "memory");
    }
}
